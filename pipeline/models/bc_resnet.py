"""BC-ResNet for keyword spotting: Kim et al. 2021, arXiv 2106.04140, without its normalisation of
sub-bands, which has no int8 form.

A block works on frequency and time, averages over frequency, works on time alone, and adds the
result to all frequencies: the cheap one-dimensional part does most of the work.
"""

from typing import Annotated

from pydantic import Field

from pipeline.models.layers import (
    SOUNDS,
    batch_norm,
    classifier,
    conv_bn,
    image_tensor,
    relu6,
)
from pipeline.recipe.section import PositiveFloat, Section
from targets.untyped import KerasModel, Tensor

TAKES = SOUNDS

STEM = 16
STAGES = ((8, 2, 1, 1), (12, 2, 2, 2), (16, 4, 2, 4), (20, 4, 1, 8))
"""Channels, blocks, stride over coefficients and dilation over time of each stage."""


class Settings(Section):
    width_multiplier: Annotated[PositiveFloat, Field(le=16)] = 2.0
    """Factor on the channels of every layer: the paper's BC-ResNet-1 to BC-ResNet-8."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model

    features = image_tensor(shape)
    x = _merged(features, round(STEM * settings.width_multiplier), 2, name="stem")
    for stage, (channels, blocks, stride, dilation) in enumerate(STAGES):
        width = max(4, round(channels * settings.width_multiplier))
        for index in range(blocks):
            x = _block(
                x,
                width,
                stride=stride if index == 0 else 1,
                dilation=dilation,
                name=f"stage{stage}_block{index}",
            )
    return Model(features, classifier(x, classes), name=name)


def _block(x: Tensor, width: int, *, stride: int, dilation: int, name: str) -> Tensor:
    """[batch, time, coefficients, channels] to the same with `width` channels, and a share
    `1 / stride` of the coefficients."""
    from tf_keras import layers

    changes = stride > 1 or x.shape[-1] != width
    y = _merged(x, width, stride, name=f"{name}_in") if changes else x
    y = _depthwise(y, (1, 3), name=f"{name}_frequency")
    mean = layers.AveragePooling2D((1, y.shape[2]), name=f"{name}_mean")(y)
    z = relu6(_depthwise(mean, (3, 1), dilation=dilation, name=f"{name}_time"), name=f"{name}_time")
    z = conv_bn(z, width, 1, name=f"{name}_out")
    y = layers.Add(name=f"{name}_broadcast")([y, z])
    y = y if changes else layers.Add(name=f"{name}_add")([x, y])
    return relu6(y, name=name)


def _merged(x: Tensor, filters: int, stride: int, *, name: str) -> Tensor:
    """`stride` neighbouring coefficients become one: Keras' depthwise convolutions have one stride
    for both axes."""
    from tf_keras import layers

    kernel = (1, stride)
    convolution = layers.Conv2D(
        filters,
        kernel,
        strides=kernel,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )
    return relu6(batch_norm(convolution(x), name=name), name=name)


def _depthwise(x: Tensor, kernel: tuple[int, int], *, dilation: int = 1, name: str) -> Tensor:
    """`dilation` is over time."""
    from tf_keras import layers

    x = layers.DepthwiseConv2D(
        kernel,
        padding="same",
        dilation_rate=(dilation, 1),
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return batch_norm(x, name=name)
