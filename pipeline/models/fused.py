"""Student for CPUs with int8 dot products: dense early blocks, depthwise ones only where it is 7x7.

On x86 with VNNI int8 makes a dense 3x3 convolution 2.5-3.6 times as fast, and a depthwise one not
at all. So the depthwise convolutions of the large images are fused with their expansion into dense
ones: Fused-MBConv, Tan & Le 2021 (EfficientNetV2), arXiv 2104.00298. Channels are multiples of 16,
the width of the kernels.
"""

from typing import Any

from pipeline.models.layers import (
    classifier,
    conv_bn,
    depthwise_bn_relu6,
    image_tensor,
    relu6,
    scaled,
)

STEM = 16
FUSED = ((48, 32, 1), (64, 32, 1))
"""Channels of the dense 3x3 expansion and of the projection, and stride of each early block."""
DEPTHWISE = ((96, 64, 2), (128, 64, 1))
"""The same of each later block, whose expansion is 1x1 and followed by a depthwise 3x3."""


def build(shape: tuple[int, ...], classes: int, *, name: str, width_multiplier: float) -> Any:
    from tf_keras import Model

    image = image_tensor(shape)
    stem = conv_bn(image, scaled(STEM, width_multiplier), 3, strides=2, name="stem")
    x = relu6(stem, name="stem")
    for index, (*widths, strides) in enumerate(FUSED):
        wide, narrow = (scaled(width, width_multiplier) for width in widths)
        y = conv_bn(x, wide, 3, strides=strides, name=f"fused{index}_expand")
        y = relu6(y, name=f"fused{index}_expand")
        y = conv_bn(y, narrow, 1, name=f"fused{index}_project")
        x = _shortcut(x, y, name=f"fused{index}")
    for index, (*widths, strides) in enumerate(DEPTHWISE):
        wide, narrow = (scaled(width, width_multiplier) for width in widths)
        block = f"block{index}"
        y = relu6(conv_bn(x, wide, 1, name=f"{block}_expand"), name=f"{block}_expand")
        y = depthwise_bn_relu6(y, strides=strides, name=f"{block}_depthwise")
        x = _shortcut(x, conv_bn(y, narrow, 1, name=f"{block}_project"), name=block)
    return Model(image, classifier(x, classes), name=name)


def _shortcut(x: Any, y: Any, *, name: str) -> Any:
    from tf_keras import layers

    return layers.Add(name=f"{name}_add")([x, y]) if x.shape == y.shape else y
