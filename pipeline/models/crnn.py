"""CRNN for keyword spotting: two convolutions, then GRUs in both directions over time.

Arik et al. 2017, arXiv 1703.05390.
"""

from pipeline.models.layers import LOOP, SOUNDS, conv_bn, image_tensor, relu
from pipeline.recipe.section import PositiveInt, Section
from targets.untyped import KerasModel

TAKES = SOUNDS
NO_INT8 = LOOP


class Settings(Section):
    filters: PositiveInt = 32
    """Channels of the first convolution; the second one has twice as many."""
    units: PositiveInt = 96
    """Of the GRU of each direction."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """[49, 10, 1] with the defaults: 262 thousand parameters."""
    from tf_keras import Model, layers

    features = image_tensor(shape)
    x = relu(conv_bn(features, settings.filters, 3, name="first"), name="first")
    x = relu(conv_bn(x, 2 * settings.filters, 3, strides=2, name="second"), name="second")
    time, coefficients, channels = x.shape[1:]
    x = layers.Reshape((time, coefficients * channels), name="sequence")(x)
    x = layers.Bidirectional(layers.GRU(settings.units, name="gru"), name="both_ways")(x)
    return Model(features, layers.Dense(classes, name="logits", dtype="float32")(x), name=name)
