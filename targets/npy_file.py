"""Files of arrays, written so that a full disk is one `OSError`."""

import io
import os
from collections.abc import Mapping, Sequence
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
            os.posix_fallocate(file.fileno(), 0, mapped.offset + mapped.nbytes)
        except OSError as error:  # names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
    return mapped


def zipped(arrays: Mapping[str, npt.NDArray[np.generic]]) -> memoryview:
    """The bytes of an `.npz` file. Where `np.savez` itself finds the disk full, its `ZipFile` fails
    a second time when it is deleted, and Python prints that traceback.
    """
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getbuffer()
