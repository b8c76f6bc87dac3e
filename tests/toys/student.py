"""A student of one convolution, which has a setting of its own."""

from pipeline.models.layers import MAPS, classifier, conv_bn, image_tensor, relu6
from pipeline.recipe.section import PositiveInt, Section
from targets.untyped import KerasModel

TAKES = MAPS


class Settings(Section):
    filters: PositiveInt = 16


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    image = image_tensor(shape)
    x = relu6(conv_bn(image, settings.filters, 3, strides=2, name="only"), name="only")
    return Model(image, classifier(x, classes), name=name)
