"""Your own images in one `.npz` file: `images` and `labels`, and optionally `classes`.

`images` is uint8 [samples, height, width] or [samples, height, width, channels], `labels` is
integer [samples] from 0, `classes` is their names. The file is split into training, validation
and test by the recipe's shares, stratified by label.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets import image_files
from pipeline.datasets.arrays import UNREADABLE, Arrays, dataset
from pipeline.datasets.forms import OBJECTS
from pipeline.datasets.splits import Dataset
from pipeline.recipe import DatasetConfig
from targets.errors import InputError


def source_digest(cfg: DatasetConfig) -> str:
    with _path(cfg).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(cfg: DatasetConfig) -> Dataset:
    path = _path(cfg)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return dataset(read(content, path), path, cfg, name=path.stem, sha256=digest)


def _path(cfg: DatasetConfig) -> Path:
    if cfg.path is None:
        raise InputError("data set npz: say where the file is: --data FILE.npz.")
    if not cfg.path.is_file():
        raise InputError(f"data set npz: {not_a_file(cfg.path)}")
    return cfg.path


def not_a_file(path: Path, *, image: Sequence[int | None] = (32, 32, 3)) -> str:
    """What is there in the place of an `.npz`, and how one is made of it."""
    if not path.exists():
        return f"{path} is not there; give an .npz with --data."
    if (path / "images.npy").is_file():
        return f"{path} is a folder of .npy files; that is the data set npy (dataset.name)."
    way = image_files.way_to_npz(path, image=image)
    return way or f"{path} is not a file and holds no image; give an .npz with --data."


def read(content: bytes, path: Path) -> Arrays:
    """The arrays by their names; one of Python objects is `forms.OBJECTS` in its place."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: _array(file, name) for name in file.files}
    except (*UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"data set npz: {path} cannot be read as .npz: {error or type(error).__name__}. "
            "Write it with numpy.savez(path, images=..., labels=...)."
        ) from error


def _array(file: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(file[name])
    except ValueError as error:
        if "Object arrays" in str(error):
            return OBJECTS
        raise
