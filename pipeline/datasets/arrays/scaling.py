"""Mean and deviation of each channel, over the training samples alone."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.datasets.arrays.values import CHUNK, Values
from targets.formats.channel_scaling import ChannelScaling

STEPS = 16.0
"""Steps of float32 at its size that a channel's values must differ by, so that they count as
changing: else the noise of the last bit would become the size of the others."""


def scaling_of(values: Values, rows: npt.NDArray[np.int64], *, channels: int) -> ChannelScaling:
    """Of the samples of `values` [samples, ...] at `rows`; channels are last."""
    table = values.reshape(len(values), -1, channels)
    count = len(rows) * table.shape[1]
    mean, squares, largest = (np.zeros(channels) for _ in range(3))
    for chunk in _chunks(table, rows):
        mean += chunk.sum(axis=(0, 1)) / count
        largest = np.maximum(largest, np.abs(chunk).max(axis=(0, 1)))
    for chunk in _chunks(table, rows):
        squares += ((chunk - mean) ** 2).sum(axis=(0, 1))
    deviation = np.sqrt(squares / count)
    still = deviation <= STEPS * np.spacing(largest.astype(np.float32))
    return ChannelScaling(
        mean=tuple(mean.astype(np.float32).tolist()),
        deviation=tuple(np.where(still, 1.0, deviation).astype(np.float32).tolist()),
    )


def _chunks(table: Values, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float64]]:
    size = max(1, CHUNK // table[0].size)
    for start in range(0, len(rows), size):
        yield table[rows[start : start + size]].astype(np.float64)
