"""Samples that are read on access: of a memory-mapped file, or of two sources in a row."""

from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

Raw = npt.NDArray[Any]
"""Raw samples [samples, ...] of any type: uint8 images, int16 waveforms, int32 tokens, float32."""
Images = npt.NDArray[np.uint8]


class MappedSamples:
    """Samples of a file, selected by an index and read on access.

    It replaces the array [samples, ...] when that does not fit into memory:
    len, shape, dtype, slices and index arrays work as for the array. `np.asarray` reads all.
    """

    def __init__(self, file: Raw, index: npt.NDArray[np.int64]) -> None:
        self.file, self.index = file, index
        self.shape = (len(index), *file.shape[1:])
        self.dtype, self.ndim = file.dtype, file.ndim

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: slice | npt.NDArray[np.int64]) -> Raw:
        return np.asarray(self.file[self.index[key]])

    def __array__(
        self, dtype: npt.DTypeLike = None, copy: bool | None = None
    ) -> npt.NDArray[np.generic]:
        return np.asarray(self[:], dtype)

    def pick(self, index: npt.NDArray[np.int64]) -> Raw:
        """The samples at `index`; reads nothing."""
        return cast(Raw, MappedSamples(self.file, self.index[index]))


def mapped(file: Raw) -> Raw:
    """All samples of a memory-mapped array, in the type that the pipeline uses for samples."""
    return cast(Raw, MappedSamples(file, np.arange(len(file))))


class JoinedSamples:
    """Two arrays of samples of one shape, one after the other, read by an index or several."""

    def __init__(self, first: Raw, second: Raw) -> None:
        self.first, self.second = first, second
        self.shape = (len(first) + len(second), *first.shape[1:])
        self.dtype, self.ndim = first.dtype, first.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: npt.NDArray[np.int64]) -> Raw:
        places = np.atleast_1d(index)
        samples: Raw = np.empty((len(places), *self.shape[1:]), self.dtype)
        in_first = places < len(self.first)
        samples[in_first] = self.first[places[in_first]]
        samples[~in_first] = self.second[places[~in_first] - len(self.first)]
        return samples if np.ndim(index) else samples[0]


class Pictures(Protocol):
    """The pictures behind images, in their own sizes: what random crops are taken from."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Images:
        """One picture, [its height, its width, channels]."""

    def pick(self, index: npt.NDArray[np.int64]) -> "Pictures":
        """The pictures at `index`; reads nothing."""


class JoinedPictures:
    """The pictures of two sources, selected by an index over both; one is read at a time."""

    def __init__(self, first: Pictures, second: Pictures, index: npt.NDArray[np.int64]) -> None:
        self.first, self.second, self.index = first, second, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Images:
        place = int(self.index[number])
        if place < len(self.first):
            return self.first[place]
        return self.second[place - len(self.first)]

    def pick(self, index: npt.NDArray[np.int64]) -> "JoinedPictures":
        return JoinedPictures(self.first, self.second, self.index[index])
