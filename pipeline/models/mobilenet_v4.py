"""MobileNetV4-conv-small: Qin et al. 2024, arXiv 2404.10518.

Universal inverted bottlenecks (UIB), dense downsampling blocks in front of them, and plain ReLU
throughout. No squeeze-and-excite and no hard-swish, which int8 runtimes are slow at. From 64 pixels
on as published, but for the layer of 1,280 units behind the global average, which few classes do
not need; smaller images get a short form at 28-14-7 pixels.
"""

from typing import NamedTuple

from pipeline.models.form import Form, as_published
from pipeline.models.layers import (
    MAPS,
    classifier,
    conv_bn,
    depthwise_bn,
    image_tensor,
    relu,
    scaled,
)
from pipeline.recipe.section import PositiveFloat, Section
from targets.untyped import KerasModel, Tensor

TAKES = MAPS


class Bottleneck(NamedTuple):
    """One UIB; a kernel of 0 leaves its depthwise convolution out."""

    start: int
    """Kernel of the depthwise convolution before the expansion."""
    middle: int
    """Kernel of the one between expansion and projection."""
    strides: int
    channels: int
    expansion: int


class Layout(NamedTuple):
    stem: int
    stem_strides: int
    down: tuple[tuple[int, int], ...]
    """Channels of each dense block's 3x3 convolution, which halves the image, and of its 1x1."""
    blocks: tuple[Bottleneck, ...]
    head: int


BLOCKS = (
    Bottleneck(5, 5, 2, 48, 3),  # extra depthwise
    Bottleneck(0, 3, 1, 48, 2),  # inverted bottleneck
    Bottleneck(0, 3, 1, 48, 2),
    Bottleneck(3, 0, 1, 48, 2),  # ConvNext-like
)
SMALL = Layout(16, 1, ((48, 32),), BLOCKS, 96)
PUBLISHED = Layout(
    32,
    2,
    ((32, 32), (96, 64)),
    (
        Bottleneck(5, 5, 2, 96, 3),
        *[Bottleneck(0, 3, 1, 96, 2)] * 4,
        Bottleneck(3, 0, 1, 96, 4),
        Bottleneck(3, 3, 2, 128, 6),
        Bottleneck(5, 5, 1, 128, 4),
        Bottleneck(0, 5, 1, 128, 4),
        Bottleneck(0, 5, 1, 128, 3),
        *[Bottleneck(0, 3, 1, 128, 4)] * 2,
    ),
    960,
)


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""
    form: Form = "auto"
    """`paper` or `small`; `auto` decides by the image's shorter side: `paper` from 64 pixels on."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """28x28x1 at width 1.0: 59k parameters, 4.6 million MACs.

    224x224x3 and 1,000 classes: 2.2 million parameters, 184 million MACs; published with 3.8
    million parameters, because of the layer that is left out.
    """
    from tf_keras import Model

    layout = PUBLISHED if as_published(shape, settings.form) else SMALL
    factor = settings.width_multiplier
    image = image_tensor(shape)
    stem = conv_bn(image, scaled(layout.stem, factor), 3, strides=layout.stem_strides, name="stem")
    x = relu(stem, name="stem")
    for index, widths in enumerate(layout.down):
        down = "down" if len(layout.down) == 1 else f"down{index}"
        dense, pointwise = (scaled(channels, factor) for channels in widths)
        x = relu(conv_bn(x, dense, 3, strides=2, name=f"{down}_a"), name=f"{down}_a")
        x = relu(conv_bn(x, pointwise, 1, name=f"{down}_b"), name=f"{down}_b")
    for index, block in enumerate(layout.blocks):
        x = _bottleneck(x, block, scaled(block.channels, factor), name=f"block{index}")
    x = relu(conv_bn(x, scaled(layout.head, factor), 1, name="head"), name="head")
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
