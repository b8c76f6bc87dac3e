"""GRUs in both directions over tokens, or over the frames of a waveform.

Cho et al. 2014, arXiv 1406.1078.
"""

from pipeline.models.layers import LOOP, image_tensor
from pipeline.models.tokens import embedded, logits
from pipeline.recipe.section import PositiveInt, Section
from targets.formats.input_spec import Kind
from targets.untyped import KerasModel, Tensor

TAKES: tuple[Kind, ...] = ("tokens", "waveform", "array")
NO_INT8 = LOOP


class Settings(Section):
    embedding: PositiveInt = 128
    """Length of a token's vector; unused where the samples are no tokens."""
    units: PositiveInt = 96
    """Of the GRU of each direction."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    from tf_keras import Model, layers

    source, x = embedded(shape, settings.embedding) if len(shape) == 2 else _frames(shape)
    x = layers.Bidirectional(layers.GRU(settings.units, name="gru"), name="both_ways")(x)
    return Model(source, logits(x, classes), name=name)


def _frames(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """[batch, frames, all values of a frame]."""
    from tf_keras import layers

    features = image_tensor(shape)
    time, *values = shape
    width = 1
    for size in values:
        width *= size
    return features, layers.Reshape((time, width), name="sequence")(features)
