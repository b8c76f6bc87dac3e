"""An `.npz` file as samples: its arrays by their meaning, those of given splits put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.arrays.labels import Labelled, labelled, texts
from pipeline.datasets.arrays.names import (
    CLASSES,
    GROUPS,
    LABELS,
    SPLITS,
    VALUES,
    Parts,
    contents,
    parts_of,
)
from pipeline.datasets.arrays.values import Values, values_of
from pipeline.datasets.files.roles import roles
from pipeline.datasets.splits import Split
from pipeline.datasets.zipped_arrays import Arrays
from targets.errors import InputError, listed

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Archive:
    values: Values
    """float32 [samples, ...], finite."""
    places: tuple[str, ...]
    """Of each sample in the file, as `x_train[3]`."""
    labels: Labelled
    splits: tuple[Split | None, ...]
    """None where the file does not say."""
    groups: tuple[str | None, ...]
    """Whom or what a sample is of, which stays in one split."""


def archive(arrays: Arrays, path: Path) -> Archive:
    """Raises `InputError` for what is missing, and for what cannot be used."""
    place = f"data set arrays: {path}"
    found = {
        meaning: parts_of(arrays, known, place=place)
        for meaning, known in (
            ("values", VALUES),
            ("labels", LABELS),
            ("groups", GROUPS),
            ("split", SPLITS),
            ("classes", CLASSES),
        )
    }
    _require_there(found["values"], found["labels"], arrays, place)
    values = _joined_values(found["values"], arrays, place)
    counts = {split: len(arrays[name]) for split, name in found["values"].items()}
    given = tuple(split for split, count in counts.items() for _ in range(count))
    labels, called = _joined(found["labels"], counts, arrays, place)
    classes = found["classes"].get(None)
    return Archive(
        values=values,
        places=tuple(
            f"{name}[{row}]"
            for name in found["values"].values()
            for row in range(len(arrays[name]))
        ),
        labels=labelled(
            labels,
            called,
            None if classes is None else arrays[classes],
            samples=len(values),
            place=place,
        ),
        splits=_splits(found["split"], given, arrays, place),
        groups=_groups(found["groups"], counts, arrays, place),
    )


def _require_there(values: Parts, labels: Parts, arrays: Arrays, place: str) -> None:
    if values and values.keys() == labels.keys():
        return
    missing = "values" if not values else "labels"
    pictures = (
        " If they are pictures, that is the data set npz (dataset.name)."
        if any(array.dtype == np.uint8 and array.ndim > 2 for array in arrays.values())
        else ""
    )
    raise InputError(
        f"{place}: no {missing} for each sample in it; it holds {contents(arrays)}. Write it "
        "with `np.savez(path, values=..., labels=...)`, or with x_train, y_train, x_test and "
        f"y_test.{pictures}"
    )


def _joined_values(parts: Parts, arrays: Arrays, place: str) -> Values:
    made = [values_of(arrays[name], name, place=place) for name in parts.values()]
    shapes = {name: list(one.shape[1:]) for name, one in zip(parts.values(), made, strict=True)}
    if len({*map(tuple, shapes.values())}) > 1:
        shown = listed([f"{name} {shape}" for name, shape in shapes.items()])
        raise InputError(f"{place}: samples must have one shape, and there are {shown}.")
    return made[0] if len(made) == 1 else np.concatenate(made)


def _joined(
    parts: Parts, counts: dict[Split | None, int], arrays: Arrays, place: str
) -> tuple[Array, str]:
    """One array in the order of the values, and its name for errors."""
    for split, name in parts.items():
        if arrays[name].shape[:1] != (counts[split],):
            raise InputError(
                f"{place}: '{name}' is {list(arrays[name].shape)}, and there are "
                f"{counts[split]:,} samples. Give one for each sample, in the same order."
            )
    found = [arrays[parts[split]] for split in counts]
    if len({(one.dtype.kind in "iu", one.shape[1:]) for one in found}) > 1:
        raise InputError(f"{place}: {listed(list(parts.values()))} are of different forms.")
    return (found[0] if len(found) == 1 else np.concatenate(found)), next(iter(parts.values()))


def _splits(
    parts: Parts, given: Sequence[Split | None], arrays: Arrays, place: str
) -> tuple[Split | None, ...]:
    name = parts.get(None)
    if name is None:
        return tuple(given)
    said = arrays[name]
    if said.shape != (len(given),) or said.dtype.kind not in "SU":
        raise InputError(
            f"{place}: '{name}' must be text, train, val or test for each of {len(given):,} "
            f"samples, not {said.dtype} {list(said.shape)}."
        )
    words = texts(said, name)
    known = roles({*words})
    unknown = sorted({*words} - known.keys())
    if unknown or {*given} != {None}:
        what = listed(unknown, most=5) or "splits, and so do the names of other arrays"
        raise InputError(f"{place}: '{name}' says {what}. Its words are train, val and test.")
    return tuple(known[word] for word in words)


def _groups(
    parts: Parts, counts: dict[Split | None, int], arrays: Arrays, place: str
) -> tuple[str | None, ...]:
    total = sum(counts.values())
    if not parts:
        return (None,) * total
    if parts.keys() != counts.keys():
        raise InputError(f"{place}: {listed(list(parts.values()))}: give one for all the values.")
    joined, name = _joined(parts, counts, arrays, place)
    if joined.ndim != 1 or joined.dtype.kind not in "iuSU":
        raise InputError(
            f"{place}: '{name}' must be an integer or text for each sample, not {joined.dtype} "
            f"{list(joined.shape)}."
        )
    return tuple(texts(joined, name))
