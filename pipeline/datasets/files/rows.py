"""Rows of an .npy file, read when they are asked for.

The file is read piece by piece, not memory-mapped: the pages of a map count as resident memory
until the system wants them back.
"""

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from targets.errors import InputError

Index = npt.NDArray[np.int64]


class File:
    """Reads of a file at an offset, by any number of threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._number)

    def __reduce__(self) -> tuple[type["File"], tuple[Path]]:
        return File, (self.path,)

    def read_into(self, array: Raw, offset: int) -> None:
        view, done = array.data.cast("B"), 0
        while done < len(view):
            count = os.preadv(self._number, [view[done:]], offset + done)
            if not count:
                raise InputError(
                    f"the cache file {self.path} ends too early. Make it again with --set "
                    "dataset.verify=true."
                )
            done += count


class Rows:
    """The samples of an .npy file; for `MappedSamples` in place of an array."""

    def __init__(self, path: Path) -> None:
        self.shape, self.dtype, self.start = npy_header(path)
        self.ndim = len(self.shape)
        self._file, self._bytes = File(path), int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: "Index | slice | int") -> Raw:
        rows = np.arange(len(self))[key] if isinstance(key, slice) else np.asarray(key)
        made: Raw = np.empty((rows.size, *self.shape[1:]), self.dtype)
        for sample, row in zip(made, rows.ravel(), strict=True):
            self._file.read_into(sample, self.start + int(row) * self._bytes)
        return made.reshape(*rows.shape, *self.shape[1:])

    @property
    def size_bytes(self) -> int:
        """What the whole file has."""
        return self.start + len(self) * self._bytes


def npy_header(path: Path) -> tuple[tuple[int, ...], "np.dtype[Any]", int]:
    """The shape, the type, and the offset of the first row."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
        return shape, dtype, file.tell()
