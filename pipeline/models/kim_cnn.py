"""Convolutions of several widths over tokens: Kim 2014, arXiv 1408.5882, from random vectors.

Without the paper's dropout, whose state does not resume to the same bytes: batch norm behind each
convolution in its place.
"""

from typing import Annotated

from pydantic import Field

from pipeline.models.layers import batch_norm, relu
from pipeline.models.tokens import TOKENS, as_map, embedded, largest, logits
from pipeline.recipe.section import PositiveInt, Section
from targets.untyped import KerasModel, Tensor

TAKES = TOKENS


class Settings(Section):
    embedding: PositiveInt = 128
    """Length of a token's vector."""
    filters: PositiveInt = 100
    """Channels of each convolution."""
    kernels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (3, 4, 5)
    """Positions that each of the convolutions reads."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model, layers

    tokens, x = embedded(shape, settings.embedding)
    x = as_map(x)
    found = [_widths(x, settings.filters, kernel) for kernel in settings.kernels]
    joined = layers.Concatenate(name="joined")(found) if len(found) > 1 else found[0]
    return Model(tokens, logits(joined, classes), name=name)


def _widths(x: Tensor, filters: int, kernel: int) -> Tensor:
    from tf_keras import layers

    name = f"width{kernel}"
    convolution = layers.Conv2D(
        filters,
        (kernel, 1),
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )
    y = relu(batch_norm(convolution(x), name=name), name=name)
    return largest(y, name=f"{name}_largest")
