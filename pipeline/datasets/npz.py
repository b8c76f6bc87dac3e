"""Your own images in one `.npz` file: `images` and `labels`, and optionally `classes`.

`images` is uint8 [samples, height, width] or [samples, height, width, channels], `labels` is
integer [samples] from 0, `classes` is their names. The file is split into training, validation
and test by the recipe's shares, stratified by label.
"""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe import DatasetConfig
from targets.errors import InputError

Arrays = dict[str, npt.NDArray[Any]]


def source_digest(cfg: DatasetConfig) -> str:
    with _path(cfg).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(cfg: DatasetConfig) -> Dataset:
    path = _path(cfg)
    arrays = _read(path)
    samples = _check(arrays, path)
    return Dataset(
        name=path.stem,
        classes=_classes(arrays, samples, path),
        splits=three_way(
            samples,
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name=path.name,
        ),
        sha256=source_digest(cfg),
    )


def _path(cfg: DatasetConfig) -> Path:
    if cfg.path is None:
        raise InputError("data set npz: say where the file is: --data FILE.npz.")
    if not cfg.path.is_file():
        raise InputError(f"data set npz: {cfg.path} is not a file; give an .npz with --data.")
    return cfg.path


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, AttributeError) as error:
        raise InputError(
            f"data set npz: {path} cannot be read as .npz: {error}. "
            "Write it with numpy.savez(path, images=..., labels=...)."
        ) from error


def _check(arrays: Arrays, path: Path) -> Samples:
    for name in ("images", "labels"):
        if name not in arrays:
            held = ", ".join(sorted(arrays)) or "nothing"
            raise InputError(f"data set {path}: no array '{name}' in it; it holds {held}.")
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(
            f"data set {path}: images must be uint8 [samples, height, width(, channels)] with raw "
            f"pixels 0-255, not {images.dtype} {list(images.shape)}. Do not normalise them: the "
            "network does."
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"data set {path}: labels must be integers, one per image ({len(images)}), "
            f"not {labels.dtype} {list(labels.shape)}."
        )
    if len(labels) == 0 or labels.min() < 0 or len(np.unique(labels)) < 2:
        raise InputError(f"data set {path}: labels must be at least two classes numbered from 0.")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return Samples(images=images, labels=labels.astype(np.int64))


def _classes(arrays: Arrays, samples: Samples, path: Path) -> tuple[str, ...]:
    count = int(samples.labels.max()) + 1
    names = tuple(str(name) for name in arrays.get("classes", np.arange(count)))
    if len(names) < count:
        raise InputError(
            f"data set {path}: {len(names)} names in 'classes' for labels up to {count - 1}; "
            f"give {count}."
        )
    return names
