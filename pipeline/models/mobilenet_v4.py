"""MobileNetV4-conv-small-style student for small images: Qin et al. 2024, arXiv 2404.10518.

Universal inverted bottlenecks (UIB), a dense downsampling block in front of them, and plain ReLU
throughout, hand-built for strides 28-14-7. No squeeze-and-excite and no hard-swish, which int8
runtimes are slow at.
"""

from typing import NamedTuple

from pipeline.models.layers import classifier, conv_bn, depthwise_bn, image_tensor, relu, scaled
from pipeline.recipe.section import PositiveFloat, Section
from targets.untyped import KerasModel, Tensor


class Bottleneck(NamedTuple):
    """One UIB; a kernel of 0 leaves its depthwise convolution out."""

    start: int
    """Kernel of the depthwise convolution before the expansion."""
    middle: int
    """Kernel of the one between expansion and projection."""
    strides: int
    channels: int
    expansion: int


STEM = 16
DOWN = (48, 32)
"""Channels of the dense block's 3x3 convolution, which halves the image, and of its 1x1."""
BLOCKS = (
    Bottleneck(5, 5, 2, 48, 3),  # extra depthwise
    Bottleneck(0, 3, 1, 48, 2),  # inverted bottleneck
    Bottleneck(0, 3, 1, 48, 2),
    Bottleneck(3, 0, 1, 48, 2),  # ConvNext-like
)
HEAD = 96


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """28x28x1 at width 1.0: 59k parameters, 4.6 million MACs."""
    from tf_keras import Model

    widths = [scaled(channels, settings.width_multiplier) for channels in (STEM, *DOWN)]
    image = image_tensor(shape)
    x = relu(conv_bn(image, widths[0], 3, name="stem"), name="stem")
    x = relu(conv_bn(x, widths[1], 3, strides=2, name="down_a"), name="down_a")
    x = relu(conv_bn(x, widths[2], 1, name="down_b"), name="down_b")
    for index, block in enumerate(BLOCKS):
        x = _bottleneck(
            x, block, scaled(block.channels, settings.width_multiplier), name=f"block{index}"
        )
    x = relu(conv_bn(x, scaled(HEAD, settings.width_multiplier), 1, name="head"), name="head")
    return Model(image, classifier(x, classes), name=name)


def _bottleneck(x: Tensor, block: Bottleneck, width: int, *, name: str) -> Tensor:
    """Depthwise (linear), 1x1 expansion, depthwise, 1x1 projection (linear), and the shortcut."""
    from tf_keras import layers

    y, before = x, x.shape[-1]
    if block.start:
        # Where there are two, the second one halves the image.
        strides = 1 if block.middle else block.strides
        y = depthwise_bn(y, block.start, strides=strides, name=f"{name}_start")
    y = relu(conv_bn(y, before * block.expansion, 1, name=f"{name}_expand"), name=f"{name}_expand")
    if block.middle:
        y = depthwise_bn(y, block.middle, strides=block.strides, name=f"{name}_middle")
        y = relu(y, name=f"{name}_middle")
    y = conv_bn(y, width, 1, name=f"{name}_project")
    keeps_shape = block.strides == 1 and before == width
    return layers.Add(name=f"{name}_add")([x, y]) if keeps_shape else y
