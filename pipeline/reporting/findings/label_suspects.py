"""Labels to check: the samples whose label the teacher contradicts most.

The margin of another class over the label ranks them (Northcutt et al. 2021, arXiv 1911.00068, call
it the normalized margin). A teacher that was trained on a sample has learned its label too, so that
its margins on both splits cannot be compared: each split has a list of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.datasets.audit.pictures import PictureRecord
from pipeline.datasets.splits import Dataset, Split
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.reporting.schema.sample import Sample
from targets.evaluation.metrics import Labels

LISTED = 24
"""Samples of a split that are listed."""

Probabilities = npt.NDArray[np.float32]
Found = TypeVar("Found", bound=Sample)


def suspects(
    found: Probabilities,
    labels: Labels,
    classes: Sequence[str],
    *,
    split: Literal["train", "test"],
) -> tuple[LabelSuspect, ...]:
    """The labels with the largest margins above 0; `found` [samples, classes] is the teacher's."""
    rows = np.arange(len(labels))
    others = found.copy()
    others[rows, labels] = -1
    predicted = others.argmax(axis=1)
    given, other = found[rows, labels], found[rows, predicted]
    order = np.argsort(given - other, kind="stable")[:LISTED]
    return tuple(
        LabelSuspect(
            split=split,
            index=int(place),
            label=classes[labels[place]],
            predicted=classes[predicted[place]],
            label_probability=round(float(given[place]), 4),
            predicted_probability=round(float(other[place]), 4),
        )
        for place in order
        if other[place] > given[place]
    )


def probabilities(
    logits: npt.NDArray[np.float16] | npt.NDArray[np.float32], samples: int | None = None
) -> Probabilities:
    """The mean over views of the softmax of the first `samples`: [views, samples, classes] to
    [samples, classes]. Reads one view at a time, so that `logits` may be larger than memory."""
    total = np.zeros(logits[0, :samples].shape, np.float32)
    for view in logits:
        values = view[:samples].astype(np.float32)
        values = np.exp(values - values.max(axis=1, keepdims=True))
        total += values / values.sum(axis=1, keepdims=True)
    return total / np.float32(len(logits))


def with_files(
    found: Sequence[Found], files: Mapping[Split, Sequence[str | None]], data: Dataset
) -> tuple[Found, ...]:
    """The samples with the paths of their files; `files`: those of each split of `data`."""

    def path(one: Sample) -> str | None:
        of_split = files.get(Split(one.split), ())
        known = len(of_split) == len(data[Split(one.split)])
        return of_split[one.index] if known else one.path

    return tuple(one.model_copy(update={"path": path(one)}) for one in found)


def with_paths(
    found: Sequence[Found], *, records: Sequence[PictureRecord], counts: Mapping[str, int]
) -> tuple[Found, ...]:
    """The samples with the paths of their files, where the records of a split are its samples;
    `counts`: samples by split."""
    files: dict[str, list[PictureRecord]] = {}
    for record in records:
        if record.error is None:
            files.setdefault(record.split, []).append(record)

    def path(one: Sample) -> str | None:
        of_split = files.get(one.split, [])
        known = len(of_split) == counts[one.split] and of_split[one.index].label == one.label
        return of_split[one.index].path if known else None

    return tuple(one.model_copy(update={"path": path(one)}) for one in found)
