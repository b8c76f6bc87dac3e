"""The arrays of an `.npz` file, none of which may hold Python objects: to read these runs code."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.forms import OBJECTS
from targets.errors import InputError

Arrays = dict[str, npt.NDArray[np.generic]]

UNREADABLE = (ValueError, OSError, EOFError, TypeError, AttributeError)
"""What numpy raises for a file of another format; the last two for an .npy named .npz."""


def read(content: bytes, path: Path, *, dataset: str, holds: str) -> Arrays:
    """The arrays by name; `forms.OBJECTS` replaces an array of Python objects.

    `dataset` and what it `holds` beside labels are for the error.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: _array(file, name) for name in file.files}
    except (*UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"data set {dataset}: {path} cannot be read as .npz: {error or type(error).__name__}. "
            f"Write it with numpy.savez(path, {holds}=..., labels=...)."
        ) from error


def _array(file: Mapping[str, npt.NDArray[np.generic]], name: str) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(file[name])
    except ValueError as error:
        if "Object arrays" in str(error):
            return OBJECTS
        raise
