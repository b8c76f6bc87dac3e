"""Networks of `tf_keras.applications` as ours: one flat model from normalised images to logits."""

from collections.abc import Callable, Sequence

from pipeline.models.form import PUBLISHED_FROM, as_published
from pipeline.models.layers import BN_MOMENTUM, classifier, image_tensor
from targets.errors import InputError
from targets.untyped import KerasModel, Tensor


def with_classifier(
    backbone: Callable[[Tensor], KerasModel],
    shape: tuple[int, ...],
    classes: int,
    *,
    scale: float | Sequence[float],
    offset: float | Sequence[float],
    name: str,
    family: str,
) -> KerasModel:
    """`backbone` on `scale * image + offset`, a global average and a dense layer.

    Raises `InputError` for small images, which its strides reduce to one pixel.
    """
    from tf_keras import Model, layers

    if not as_published(shape, "auto"):
        raise InputError(
            f"family {family}: its strides leave one pixel of {shape[0]}x{shape[1]}. Set "
            f"teacher.size to {PUBLISHED_FROM} or more, or take another family."
        )
    image = image_tensor(shape)
    prepared = layers.Rescaling(scale, offset, name="preparation")(image)
    network = Model(image, classifier(backbone(prepared).output, classes), name=name)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BN_MOMENTUM
    return network
