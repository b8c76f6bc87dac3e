"""Samples in a file that a finished model is given: all of them, with labels if there are some."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.arrays.labels import texts
from pipeline.datasets.arrays.names import CLASSES, LABELS, SPLITS, VALUES, contents, parts_of
from pipeline.datasets.splits import Split
from pipeline.datasets.zipped_arrays import Arrays, read
from targets.arrays.reading import read as read_npy
from targets.errors import InputError

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class GivenSample:
    values: Array
    row: int | None
    """Place in the file, of all its splits; None where the file is the sample."""
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class GivenSamples:
    samples: Sequence[GivenSample]
    has_splits: bool = False
    """Whether the file says which samples were for training."""


def samples_in(path: Path, shape: tuple[int, ...]) -> GivenSamples:
    """Of an .npz file, or of an .npy of one sample or of many.

    Raises `InputError` for an .npz without samples of `shape`, `UnreadableError` for no .npy file.
    """
    if path.suffix.lower() == ".npz":
        return _of_archive(path, shape)
    array = read_npy(path)
    if array.shape[1:] != shape:
        return GivenSamples(samples=[GivenSample(values=array, row=None)])
    rows = enumerate(array)
    return GivenSamples(samples=[GivenSample(values=one, row=row) for row, one in rows])


def _of_archive(path: Path, shape: tuple[int, ...]) -> GivenSamples:
    arrays, place = read(path.read_bytes(), path, dataset="arrays", holds="values"), str(path)
    values = parts_of(arrays, VALUES, place=place)
    wrong = [name for name in values.values() if arrays[name].shape[1:] != shape]
    if wrong or not values:
        raise InputError(
            f"{path}: the model takes {wrong[0] if wrong else 'values'} [samples, "
            f"{', '.join(map(str, shape))}], and the file holds {contents(arrays)}."
        )
    labels = list(_labels(arrays, values, place))
    rows = [one for name in values.values() for one in arrays[name]]
    return GivenSamples(
        samples=[
            GivenSample(values=one, row=row, label=labels[row] if labels else None)
            for row, one in enumerate(rows)
        ],
        has_splits=None not in values or bool(parts_of(arrays, SPLITS, place=place)),
    )


def _labels(arrays: Arrays, values: Mapping[Split | None, str], place: str) -> Iterator[str]:
    """Of each sample; nothing where the file has no labels, or not for all samples."""
    parts = parts_of(arrays, LABELS, place=place)
    found = [arrays[parts[split]] for split in values if split in parts]
    lengths = [array.shape for array in found]
    if lengths != [arrays[name].shape[:1] for name in values.values()]:
        return
    classes = parts_of(arrays, CLASSES, place=place).get(None)
    known = [] if classes is None else texts(arrays[classes], classes)
    for label in (one for array in found for one in array.tolist()):
        text = label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
        is_place = isinstance(label, int) and 0 <= label < len(known)
        yield known[label] if is_place else text
