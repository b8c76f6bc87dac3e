"""Your own images in one `.npz` file: `images` and `labels`, and optionally `classes`.

`images` is uint8 [samples, height, width] or [samples, height, width, channels], `labels` is
integer [samples] from 0, `classes` is their names. The file is split into training, validation
and test by the recipe's shares, stratified by label.
"""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe import DatasetConfig
from targets.errors import InputError

Arrays = dict[str, npt.NDArray[Any]]

UNREADABLE = (ValueError, OSError, EOFError, TypeError, AttributeError)
"""What numpy raises for a file that is no .npz; TypeError and AttributeError for an .npy."""


def source_digest(cfg: DatasetConfig) -> str:
    with _path(cfg).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(cfg: DatasetConfig) -> Dataset:
    path = _path(cfg)
    content = path.read_bytes()
    arrays = read(content, path)
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
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _path(cfg: DatasetConfig) -> Path:
    if cfg.path is None:
        raise InputError("data set npz: say where the file is: --data FILE.npz.")
    if not cfg.path.is_file():
        raise InputError(f"data set npz: {cfg.path} is not a file; give an .npz with --data.")
    return cfg.path


def read(content: bytes, path: Path) -> Arrays:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except (*UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"data set npz: {path} cannot be read as .npz: {error or type(error).__name__}. "
            "Write it with numpy.savez(path, images=..., labels=...)."
        ) from error


def _check(arrays: Arrays, path: Path) -> Samples:
    for name in ("images", "labels"):
        if name not in arrays:
            held = ", ".join(sorted(arrays)) or "nothing"
            raise InputError(f"data set {path}: no array '{name}' in it; it holds {held}.")
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape[1:]:
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
    present = np.unique(labels)
    if len(present) < 2 or present[0] != 0 or present[-1] != len(present) - 1:
        raise InputError(
            f"data set {path}: labels must be at least two classes, numbered from 0 without gaps; "
            f"they are {', '.join(map(str, present[:8])) or 'none'}"
            f"{', …' if len(present) > 8 else ''}."
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return Samples(images=images, labels=labels.astype(np.int64))


def _classes(arrays: Arrays, samples: Samples, path: Path) -> tuple[str, ...]:
    count = int(samples.labels.max()) + 1
    names = tuple(str(name) for name in np.atleast_1d(arrays.get("classes", np.arange(count))))
    one_line = all(name.strip() and "\n" not in name for name in names)
    if len(names) != count or len(set(names)) != count or not one_line:
        raise InputError(
            f"data set {path}: 'classes' must be {count} different names of one line each, one "
            f"per label; it holds {len(names)}: {', '.join(names[:8])}."
        )
    return names
