"""MobileNetV2, inverted residuals with linear bottlenecks: Sandler et al. 2018, arXiv 1801.04381.

From 64 pixels on as published, and with Keras' ImageNet weights; those were trained with
`pixel / 127.5 - 1`, which differs from the network's input, `(pixel - 128) / 128`, by less than
1 %. Smaller images get a short form at 28-14-7 pixels.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from pipeline.models.form import Form, as_published, require_whole
from pipeline.models.layers import (
    MAPS,
    classifier,
    conv_bn,
    image_tensor,
    inverted_residual,
    relu6,
    scaled,
)
from pipeline.models.pretrained.downloads import KerasFile, keras_file
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section
from targets.untyped import KerasModel

TAKES = MAPS
STEM = 16
EXPANSION = 4
BLOCKS = ((24, 2), (24, 1), (40, 2), (40, 1), (64, 1))
"""Output channels and stride of each block of the short form."""
HEAD = 128
PUBLISHED_STEM = 32
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
"""Expansion, output channels and stride of each published stage."""
DEPTH = (1, 2, 3, 4, 3, 3, 1)
PUBLISHED_HEAD = 1280
IMAGENET = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer; of the last one only above 1, as published."""
    depth: Annotated[tuple[PositiveInt, ...], Field(min_length=7, max_length=7)] = DEPTH
    """Blocks of each stage, from 64 pixels on."""
    form: Form = "auto"
    """`paper` or `small`; `auto` decides by the image's shorter side: `paper` from 64 pixels on."""


class Block(NamedTuple):
    name: str
    expansion: int
    channels: int
    strides: int


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    published, factor = as_published(shape, settings.form), settings.width_multiplier
    stem, head = (
        (scaled(PUBLISHED_STEM, factor), scaled(PUBLISHED_HEAD, max(1.0, factor)))
        if published
        else (scaled(STEM, factor), scaled(HEAD, factor))
    )
    image = image_tensor(shape)
    x = relu6(conv_bn(image, stem, 3, strides=2 if published else 1, name="stem"), name="stem")
    for block in _published(settings.depth) if published else _small(settings):
        x = inverted_residual(
            x,
            scaled(block.channels, factor),
            expansion=block.expansion,
            strides=block.strides,
            name=block.name,
        )
    x = relu6(conv_bn(x, head, 1, name="head"), name="head")
    return Model(image, classifier(x, classes), name=name)


def imagenet(settings: Settings) -> KerasFile:
    """Keras' weights, as trained on 224 pixels, without the classifier."""
    width = float(settings.width_multiplier)
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224_no_top.h5"
    return keras_file("mobilenet_v2", name if width in IMAGENET else None, widths=IMAGENET)


def _published(depth: tuple[int, ...]) -> Iterator[Block]:
    for stage, ((expansion, channels, strides), blocks) in enumerate(
        zip(STAGES, depth, strict=True)
    ):
        for index in range(blocks):
            first = strides if index == 0 else 1
            yield Block(f"stage{stage}_block{index}", expansion, channels, first)


def _small(settings: Settings) -> Iterator[Block]:
    require_whole(settings.depth, DEPTH, family="mobilenet_v2")
    for index, (channels, strides) in enumerate(BLOCKS):
        yield Block(f"block{index}", EXPANSION, channels, strides)
