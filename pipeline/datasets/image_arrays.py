"""The checks on a user's own images as arrays, of any kind of file."""

from pathlib import Path

import numpy as np

from pipeline.datasets import forms
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.on_access import mapped
from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.datasets.zipped_arrays import Arrays
from targets.errors import InputError


def dataset(arrays: Arrays, path: Path, cfg: SourceConfig, *, name: str, sha256: str) -> Dataset:
    """The arrays of `path`, checked and split by the recipe's shares; memory maps stay mapped."""
    samples = check(arrays, path)
    classes = class_names(arrays, samples, path)
    if isinstance(samples.raw, np.memmap):
        samples = Samples(raw=mapped(samples.raw), labels=samples.labels)
    return Dataset(
        name=name,
        classes=classes,
        splits=three_way(
            samples,
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name=str(path),
            classes=classes,
        ),
        sha256=sha256,
    )


def check(arrays: Arrays, path: Path) -> Samples:
    """`images` and `labels` as samples, or an `InputError` with the remedy."""
    for name in ("images", "labels"):
        if name not in arrays:
            raise InputError(
                f"data set {path}: no array '{name}' in it; {forms.held(arrays)}{_other(arrays)}"
            )
    images, labels = arrays["images"], arrays["labels"]
    problem = (
        forms.images_problem(images)
        or forms.labels_problem(labels, images=len(images))
        or forms.numbering_problem(labels, class_list(arrays, path))
    )
    if problem:
        raise InputError(f"data set {path}: {problem}{_other(arrays)}")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return Samples(
        raw=images.astype(np.uint8, copy=False), labels=labels.astype(np.int64, copy=False)
    )


def _other(arrays: Arrays) -> str:
    """Where floats may be no pixels."""
    if not any(array.dtype.kind == "f" and array.ndim > 1 for array in arrays.values()):
        return ""
    return (
        " If the values are no pixels but measured, as those of sensors, that is another data set: "
        'dataset.name = "arrays".'
    )


def class_names(arrays: Arrays, samples: Samples, path: Path) -> tuple[str, ...]:
    """The array `classes`, or else numbers."""
    count = int(samples.labels.max()) + 1
    own = class_list(arrays, path)
    names = tuple(map(str, range(count))) if own is None else own
    one_line = all(name.strip() and len(name.splitlines()) == 1 for name in names)
    if len(names) != count or len(set(names)) != count or not one_line:
        without = ", ".join(names[count : count + 8])
        raise InputError(
            f"data set {path}: 'classes' must be {count} different names of one line each, one "
            f"per label; it holds {len(names)}: {', '.join(names[:8])}."
            + (f" There is no image of {without}: leave them out." if without else "")
        )
    return names


def class_list(arrays: Arrays, path: Path) -> tuple[str, ...] | None:
    """The array `classes` as names; None where there is none."""
    if "classes" not in arrays:
        return None
    classes = arrays["classes"]
    problem = forms.names_problem(classes)
    if problem:
        raise InputError(f"data set {path}: {problem}")
    if classes.dtype.kind == "S":
        classes = np.char.decode(classes.astype(np.bytes_), "utf-8")
    return tuple(str(name) for name in np.atleast_1d(classes))
