"""Student for CPUs with int8 dot products: dense where the image is large, depthwise at 7x7 only.

On x86 with VNNI int8 makes a dense 3x3 convolution 2.5-3.6 times as fast, and a depthwise one not
at all, so early separable convolutions are fused into dense ones, as Tan & Le 2021 do
(EfficientNetV2, arXiv 2104.00298). Their expansion and projection are left out: two such blocks in
the place of the residual one made the int8 network a quarter slower. The stem halves the image,
because int8 kernels are slow over a single channel. Channels are multiples of 16 at width 1.0.
"""

from pipeline.models.layers import (
    MAPS,
    classifier,
    conv_bn,
    depthwise_bn_relu6,
    image_tensor,
    relu6,
    scaled,
)
from pipeline.recipe.section import PositiveFloat, Section
from targets.untyped import KerasModel

TAKES = MAPS
STEM = 32
DENSE = 1
"""Residual blocks of two dense 3x3 convolutions, as wide as the stem, at half the size."""
DOWN = 64
"""Channels of the dense convolution that halves the image again."""
SEPARABLE = (96, 96)


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """28x28x1 at width 1.0: 57k parameters, 5.4 million MACs."""
    from tf_keras import Model, layers

    stem, down, *separable = (
        scaled(c, settings.width_multiplier) for c in (STEM, DOWN, *SEPARABLE)
    )
    image = image_tensor(shape)
    x = relu6(conv_bn(image, stem, 3, strides=2, name="stem"), name="stem")
    for index in range(DENSE):
        block = f"dense{index}"
        y = relu6(conv_bn(x, stem, 3, name=f"{block}_a"), name=f"{block}_a")
        y = conv_bn(y, stem, 3, name=f"{block}_b")
        x = relu6(layers.Add(name=f"{block}_add")([x, y]), name=block)
    x = relu6(conv_bn(x, down, 3, strides=2, name="down"), name="down")
    for index, width in enumerate(separable):
        x = depthwise_bn_relu6(x, name=f"block{index}_depthwise")
        x = relu6(conv_bn(x, width, 1, name=f"block{index}_pointwise"), name=f"block{index}")
    return Model(image, classifier(x, classes), name=name)
