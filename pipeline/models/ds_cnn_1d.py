"""Depthwise separable convolutions over tokens: a classifier of texts of some hundred kilobytes.

A table of vectors, residual separable blocks over positions, and the largest value of each channel
over time (Collobert et al. 2011, arXiv 1103.0398). Most weights are in the table.
"""

from pipeline.models.layers import batch_norm, conv_bn, relu6
from pipeline.models.tokens import TOKENS, as_map, embedded, largest, logits
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section
from targets.untyped import KerasModel, Tensor

TAKES = TOKENS


class Settings(Section):
    embedding: PositiveInt = 64
    """Length of a token's vector."""
    filters: PositiveInt = 96
    """Channels of all convolutions."""
    blocks: PositiveInt = 3
    kernel: PositiveInt = 3
    """Positions that the convolution of a block reads."""
    width_multiplier: PositiveFloat = 1.0
    """Factor on `embedding` and `filters`."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """(28, 4000) with the defaults: 306 thousand parameters, 256 thousand of them in the table."""
    from tf_keras import Model

    filters = max(1, round(settings.filters * settings.width_multiplier))
    tokens, x = embedded(shape, max(1, round(settings.embedding * settings.width_multiplier)))
    x = relu6(conv_bn(as_map(x), filters, 1, name="stem"), name="stem")
    for index in range(settings.blocks):
        x = _block(x, filters, kernel=settings.kernel, name=f"block{index}")
    return Model(tokens, logits(largest(x), classes), name=name)


def _block(x: Tensor, filters: int, *, kernel: int, name: str) -> Tensor:
    from tf_keras import layers

    y = layers.DepthwiseConv2D(
        (kernel, 1),
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise_conv",
    )(x)
    y = relu6(batch_norm(y, name=f"{name}_depthwise"), name=f"{name}_depthwise")
    y = relu6(conv_bn(y, filters, 1, name=f"{name}_pointwise"), name=f"{name}_pointwise")
    return layers.Add(name=f"{name}_add")([x, y])
