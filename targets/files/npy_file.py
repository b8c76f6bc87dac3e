"""Files of arrays, written so that a full disk is one `OSError`."""

import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

CHUNK = 2**20


def new_npy(
    path: Path, dtype: npt.DTypeLike, shape: Sequence[int]
) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
    """A map of zeros. Raises `OSError` on a full disk: a map without space on the disk ends the
    process with SIGBUS when it is written to.
    """
    mapped: np.memmap[tuple[int, ...], np.dtype[np.generic]]
    mapped = open_memmap(path, "w+", dtype, tuple(shape))  # type: ignore[no-untyped-call]
    try:
        with path.open("r+b") as file:
            _allocate(file, mapped.offset + mapped.nbytes)
    except OSError as error:  # names no file
        raise OSError(error.errno, error.strerror, str(path)) from error
    return mapped


def _allocate(file: io.BufferedRandom, size_bytes: int) -> None:
    """Take the space of a file that may have holes, and keep its contents."""
    try:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    except (AttributeError, OSError) as error:
        # Not on every system, nor on every file system of one.
        if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        while chunk := file.read(CHUNK):
            file.seek(-len(chunk), os.SEEK_CUR)
            file.write(chunk)


def zipped(arrays: Mapping[str, npt.NDArray[np.generic]]) -> memoryview:
    """The bytes of an `.npz` file. Where `np.savez` itself finds the disk full, its `ZipFile` fails
    a second time when it is deleted, and Python prints that traceback.
    """
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getbuffer()
