"""A Transformer encoder over tokens, as BERT's: Devlin et al. 2018, arXiv 1810.04805.

Learned vectors of positions, layer norm behind each sum, gelu, and no dropout, whose state does not
resume to the same bytes. The classifier reads the mean over all positions; a token of padding has a
vector as any other. A teacher whose student has half of its layers (`distill.init = "teacher"`):
Sanh et al. 2019, arXiv 1910.01108.
"""

from typing import Self

from pydantic import model_validator

from pipeline.models.tokens import TOKENS, embedded, logits
from pipeline.recipe.section import PositiveInt, Section
from targets.untyped import KerasModel, Tensor

TAKES = TOKENS
NO_INT8 = (
    "layer norm and attention have no quantization-aware training, calibrated int8 takes three "
    "times as long as float32, and int16x8 ends the process that runs it"
)
LAYER = "encoder"
"""Begins the names of the layers of an encoder layer, in front of its number."""
EPSILON = 1e-6


class Settings(Section):
    embedding: PositiveInt = 96
    """Length of the vectors of tokens and positions, and of every hidden state."""
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 192
    """Length between the two dense layers of each encoder layer."""

    @model_validator(mode="after")
    def _heads_share_the_vectors(self) -> Self:
        if self.embedding % self.heads:
            raise ValueError(
                f"embedding {self.embedding} cannot be shared equally among {self.heads} heads; "
                f"give a multiple of {self.heads}"
            )
        return self


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """(28, 4000) with the defaults: 687 thousand parameters."""
    from tf_keras import Model, layers

    from pipeline.models.attention import Positions

    tokens, x = embedded(shape, settings.embedding)
    x = _norm(Positions(name="positions")(x), name="embedding")
    for index in range(settings.layers):
        x = _layer(x, settings, name=f"{LAYER}{index}")
    x = layers.GlobalAveragePooling1D(name="pool", dtype="float32")(x)
    return Model(tokens, logits(x, classes), name=name)


def _layer(x: Tensor, settings: Settings, *, name: str) -> Tensor:
    """Attention between all positions, then two dense layers at each, with a sum around both."""
    from pipeline.models.attention import SelfAttention

    size = settings.embedding
    parts = [_dense(x, size, name=f"{name}_{part}") for part in ("query", "key", "value")]
    seen = SelfAttention(settings.heads, name=f"{name}_attention")(parts)
    x = _sum(x, _dense(seen, size, name=f"{name}_output"), name=f"{name}_attention")
    y = _dense(x, settings.feed_forward, activation="gelu", name=f"{name}_wide")
    return _sum(x, _dense(y, size, name=f"{name}_narrow"), name=f"{name}_dense")


def _dense(x: Tensor, units: int, *, activation: str | None = None, name: str) -> Tensor:
    from tf_keras import layers

    return layers.Dense(units, activation=activation, name=name)(x)


def _sum(x: Tensor, y: Tensor, *, name: str) -> Tensor:
    from tf_keras import layers

    return _norm(layers.Add(name=f"{name}_add")([x, y]), name=name)


def _norm(x: Tensor, *, name: str) -> Tensor:
    """With Keras' own epsilon, of 1e-3, the layer would be a batch norm in training."""
    from tf_keras import layers

    return layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)
