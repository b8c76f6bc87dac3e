"""Corruption of arrays of float32, of which nothing is known but their values."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from targets.evaluation.corruptions.draws import Corrupt, Draws

Values = npt.NDArray[np.float32]

NOISE_DB = (20, 15, 10, 5, 0)
"""Signal-to-noise ratio of Gaussian noise, as of waveforms; the signal is the deviation of a
sample's values from their mean, so that an offset does not count."""


def noise(values: Values, level: int, draws: Draws) -> Values:
    shape = values.shape[1:]
    drawn = np.stack([random.standard_normal(shape, np.float32) for random in draws])
    spread = values.std(axis=tuple(range(1, values.ndim)), keepdims=True, dtype=np.float64)
    noisy: Values = values + drawn * (spread * 10 ** (-NOISE_DB[level] / 20)).astype(np.float32)
    return noisy


CORRUPTIONS: Mapping[str, Corrupt] = MappingProxyType({"noise": noise})
