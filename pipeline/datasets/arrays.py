"""What arrays of your own must be, whichever file they come in."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Samples, mapped, three_way
from pipeline.recipe import DatasetConfig
from targets.errors import InputError

Arrays = dict[str, npt.NDArray[Any]]

UNREADABLE = (ValueError, OSError, EOFError, TypeError, AttributeError)
"""What numpy raises for a file that is none of its own; the last two for an .npy as .npz."""


def dataset(arrays: Arrays, path: Path, cfg: DatasetConfig, *, name: str, sha256: str) -> Dataset:
    """The arrays of `path` checked, and split by the recipe's shares; what is mapped stays so."""
    samples = check(arrays, path)
    if isinstance(samples.images, np.memmap):
        samples = Samples(images=mapped(samples.images), labels=samples.labels)
    return Dataset(
        name=name,
        classes=class_names(arrays, samples, path),
        splits=three_way(
            samples,
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name=str(path),
        ),
        sha256=sha256,
    )


def check(arrays: Arrays, path: Path) -> Samples:
    """`images` and `labels` as samples, or an `InputError` that says what of them is wrong."""
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
    return Samples(images=images, labels=labels.astype(np.int64, copy=False))


def class_names(arrays: Arrays, samples: Samples, path: Path) -> tuple[str, ...]:
    """`classes`, or numbers where there are none."""
    count = int(samples.labels.max()) + 1
    names = tuple(str(name) for name in np.atleast_1d(arrays.get("classes", np.arange(count))))
    one_line = all(name.strip() and "\n" not in name for name in names)
    if len(names) != count or len(set(names)) != count or not one_line:
        raise InputError(
            f"data set {path}: 'classes' must be {count} different names of one line each, one "
            f"per label; it holds {len(names)}: {', '.join(names[:8])}."
        )
    return names
