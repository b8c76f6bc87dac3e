"""MobileNetV2-style student for small images: Sandler et al. 2018, arXiv 1801.04381.

Inverted residuals with linear bottlenecks, hand-built for strides 28-14-7.
"""

from pipeline.models.layers import (
    classifier,
    conv_bn,
    depthwise_bn_relu6,
    image_tensor,
    relu6,
    scaled,
)
from pipeline.recipe.section import PositiveFloat, Section
from targets.untyped import KerasModel

STEM = 16
EXPANSION = 4
BLOCKS = ((24, 2), (24, 1), (40, 2), (40, 1), (64, 1))
"""Output channels and stride of each block."""
HEAD = 128


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model, layers

    image = image_tensor(shape)
    x = relu6(conv_bn(image, scaled(STEM, settings.width_multiplier), 3, name="stem"), name="stem")
    for index, (channels, strides) in enumerate(BLOCKS):
        block, width, before = (
            f"block{index}",
            scaled(channels, settings.width_multiplier),
            x.shape[-1],
        )
        y = conv_bn(x, before * EXPANSION, 1, name=f"{block}_expand")
        y = relu6(y, name=f"{block}_expand")
        y = depthwise_bn_relu6(y, strides=strides, name=f"{block}_depthwise")
        y = conv_bn(y, width, 1, name=f"{block}_project")
        keeps_shape = strides == 1 and before == width
        x = layers.Add(name=f"{block}_add")([x, y]) if keeps_shape else y
    x = relu6(conv_bn(x, scaled(HEAD, settings.width_multiplier), 1, name="head"), name="head")
    return Model(image, classifier(x, classes), name=name)
