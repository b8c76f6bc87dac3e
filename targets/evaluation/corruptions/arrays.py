"""Corruptions of arrays of float32 [n, ...], of which nothing is known but their values: noise, a
sensor of another gain, and a channel that fails.

The last axis of more than one is that of the channels; values [n, length] are one channel.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from targets.evaluation.corruptions.draws import Corrupt, Draws

Values = npt.NDArray[np.float32]

NOISE_DB = (20, 15, 10, 5, 0)
"""Signal-to-noise ratio of Gaussian noise, as of waveforms; the signal is the deviation of a
sample's values from their mean, so that an offset does not count."""


GAIN = (0.9, 0.8, 0.65, 0.5, 0.35)
"""Factor of every value."""
STUCK = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Share of the steps for which a channel, one of them, stays at its mean over the sample."""


def noise(values: Values, level: int, draws: Draws) -> Values:
    shape = values.shape[1:]
    drawn = np.stack([random.standard_normal(shape, np.float32) for random in draws])
    spread = values.std(axis=tuple(range(1, values.ndim)), keepdims=True, dtype=np.float64)
    noisy: Values = values + drawn * (spread * 10 ** (-NOISE_DB[level] / 20)).astype(np.float32)
    return noisy


def gain(values: Values, level: int, draws: Draws) -> Values:
    return np.asarray(values * np.float32(GAIN[level]))


def stuck(values: Values, level: int, draws: Draws) -> Values:
    """The steps are those of the first axis, and begin anywhere that leaves room for them."""
    made = values.copy()
    steps = values.shape[1]
    length = round(STUCK[level] * steps)
    for sample, random in zip(made, draws, strict=True):
        channel = sample if sample.ndim == 1 else sample[..., random.integers(sample.shape[-1])]
        first = int(random.random() * (steps - length + 1))
        channel[first : first + length] = channel.mean(dtype=np.float64)
    return made


CORRUPTIONS: Mapping[str, Corrupt] = MappingProxyType(
    {"noise": noise, "gain": gain, "stuck": stuck}
)
