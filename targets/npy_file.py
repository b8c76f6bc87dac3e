"""A new `.npy` file that is mapped into memory, with its space on the disk."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap


def new_npy(
    path: Path, dtype: npt.DTypeLike, shape: Sequence[int]
) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
    """A map of zeros. Raises `OSError` on a full disk: a map without space on the disk ends the
    process with SIGBUS when it is written to.
    """
    mapped: np.memmap[tuple[int, ...], np.dtype[np.generic]]
    mapped = open_memmap(path, "w+", dtype, tuple(shape))  # type: ignore[no-untyped-call]
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:  # names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
    return mapped
