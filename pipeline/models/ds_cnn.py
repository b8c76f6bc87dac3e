"""DS-CNN for keyword spotting: Zhang et al. 2017, arXiv 1711.07128.

The defaults are the network of MLPerf Tiny (arXiv 2106.07597): 24 thousand parameters for
[49, 10, 1] features. Arm's small, medium and large ones have 64, 172 and 276 filters in 4, 4 and 5
blocks.
"""

from typing import Annotated

from pydantic import Field

from pipeline.models.layers import (
    SOUNDS,
    batch_norm,
    classifier,
    conv_bn,
    depthwise_bn_relu6,
    image_tensor,
    relu6,
)
from pipeline.recipe.section import PositiveInt, Section
from targets.untyped import KerasModel, Tensor

TAKES = SOUNDS


class Settings(Section):
    filters: PositiveInt = 64
    """Channels of all layers."""
    blocks: PositiveInt = 4
    """Separable blocks behind the first convolution."""
    first_kernel: Annotated[tuple[PositiveInt, PositiveInt], Field()] = (10, 4)
    """Height (time) and width (coefficients) of the first convolution, which halves both. No kernel
    is larger than its map: a series of an array has a width of 1."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    features = image_tensor(shape)
    x = relu6(_first(features, settings), name="stem")
    for index in range(settings.blocks):
        x = depthwise_bn_relu6(x, _within((3, 3), x), name=f"block{index}_depthwise")
        x = relu6(
            conv_bn(x, settings.filters, 1, name=f"block{index}_pointwise"), name=f"block{index}"
        )
    return Model(features, classifier(x, classes), name=name)


def _within(kernel: tuple[int, int], x: Tensor) -> tuple[int, int]:
    return min(kernel[0], x.shape[1]), min(kernel[1], x.shape[2])


def _first(features: Tensor, settings: Settings) -> Tensor:
    from tf_keras import layers

    convolution = layers.Conv2D(
        settings.filters,
        _within(settings.first_kernel, features),
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name="stem_conv",
    )
    return batch_norm(convolution(features), name="stem")
