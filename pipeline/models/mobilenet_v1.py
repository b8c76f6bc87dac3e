"""MobileNetV1: Howard et al. 2017, arXiv 1704.04861.

From 64 pixels on as published, and with Keras' ImageNet weights; those were trained with
`pixel / 127.5 - 1`, which differs from the network's input, `(pixel - 128) / 128`, by less than
1 %. Smaller images get a short form (DS-CNN) at 28-14-7 pixels.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from pipeline.models.form import Form, as_published, require_whole
from pipeline.models.layers import (
    MAPS,
    classifier,
    conv_bn,
    depthwise_bn_relu6,
    image_tensor,
    relu6,
    scaled,
)
from pipeline.models.pretrained.downloads import KerasFile, keras_file
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section
from targets.untyped import KerasModel

TAKES = MAPS
STEM = 32
BLOCKS = ((64, 2), (64, 1), (128, 2), (128, 1), (128, 1))
"""Output channels and stride of each block of the short form."""
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2), (1024, 2))
"""Output channels and stride of each published stage."""
DEPTH = (1, 2, 2, 6, 2)
IMAGENET = (0.25, 0.5, 0.75, 1.0)


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""
    depth: Annotated[tuple[PositiveInt, ...], Field(min_length=5, max_length=5)] = DEPTH
    """Blocks of each stage, from 64 pixels on."""
    form: Form = "auto"
    """`paper` or `small`; `auto` decides by the image's shorter side: `paper` from 64 pixels on."""


class Block(NamedTuple):
    name: str
    channels: int
    strides: int


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    published, factor = as_published(shape, settings.form), settings.width_multiplier
    image = image_tensor(shape)
    stem = conv_bn(image, scaled(STEM, factor), 3, strides=2 if published else 1, name="stem")
    x = relu6(stem, name="stem")
    for block in _published(settings.depth) if published else _small(settings):
        x = depthwise_bn_relu6(x, strides=block.strides, name=f"{block.name}_depthwise")
        x = conv_bn(x, scaled(block.channels, factor), 1, name=f"{block.name}_pointwise")
        x = relu6(x, name=block.name)
    return Model(image, classifier(x, classes), name=name)


def imagenet(settings: Settings) -> KerasFile:
    """Keras' weights, as trained on 224 pixels, without the classifier."""
    width = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}.get(settings.width_multiplier)
    return keras_file("mobilenet", width and f"mobilenet_{width}_224_tf_no_top.h5", widths=IMAGENET)


def _published(depth: tuple[int, ...]) -> Iterator[Block]:
    for stage, ((channels, strides), blocks) in enumerate(zip(STAGES, depth, strict=True)):
        for index in range(blocks):
            yield Block(f"stage{stage}_block{index}", channels, strides if index == 0 else 1)


def _small(settings: Settings) -> Iterator[Block]:
    require_whole(settings.depth, DEPTH, family="mobilenet_v1")
    for index, (channels, strides) in enumerate(BLOCKS):
        yield Block(f"block{index}", channels, strides)
