"""MobileNetV1-style (DS-CNN) student for small images: Howard et al. 2017, arXiv 1704.04861.

Depthwise separable blocks at 28-14-7 pixels; the published network's total stride of 32 would
leave one pixel of a 28x28 image.
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

STEM = 32
BLOCKS = ((64, 2), (64, 1), (128, 2), (128, 1), (128, 1))
"""Output channels and stride of each block."""


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    image = image_tensor(shape)
    x = relu6(conv_bn(image, scaled(STEM, settings.width_multiplier), 3, name="stem"), name="stem")
    for index, (channels, strides) in enumerate(BLOCKS):
        width = scaled(channels, settings.width_multiplier)
        x = depthwise_bn_relu6(x, strides=strides, name=f"block{index}_depthwise")
        x = relu6(conv_bn(x, width, 1, name=f"block{index}_pointwise"), name=f"block{index}")
    return Model(image, classifier(x, classes), name=name)
