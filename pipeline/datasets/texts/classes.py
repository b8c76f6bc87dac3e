"""The classes of the texts, and what makes them no classes."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.datasets.class_names import natural, spelling
from pipeline.datasets.splits import Labels, Split
from pipeline.datasets.texts.table import Entry
from targets.errors import InputError, listed, printable

NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")


def classes_of(entries: Sequence[Entry], *, name: str) -> tuple[str, ...]:
    """Their names in natural order. Raises `InputError` where they cannot be learned."""
    first = {entry.label: entry for entry in reversed(entries)}
    labels = tuple(sorted(first, key=natural))
    if len(labels) == 1:
        raise InputError(
            f"data set texts: all {len(entries):,} texts of {name} are of one class, "
            f"{printable(labels[0])}. Add texts of another class, or name the column of classes "
            "with dataset.label_column."
        )
    numbers = [first[label] for label in labels if NUMBER.fullmatch(label)]
    if numbers and len(numbers) < len(labels):
        others = [first[label] for label in labels if not NUMBER.fullmatch(label)]
        raise InputError(
            f"data set texts: the classes of {name} are numbers and words mixed: "
            f"{_named(numbers)}; and {_named(others)}. Correct the lines that are wrong, or name "
            "all classes by words."
        )
    _require_trained(entries, name)
    return labels


def alike(labels: Sequence[str]) -> Iterator[str]:
    """A sentence for each set of labels that may be one class."""
    groups = defaultdict(list)
    for label in labels:
        groups[spelling(label)].append(label)
    for names in groups.values():
        if len(names) > 1:
            yield (
                f"Labels that look alike count as {len(names)} classes: "
                f"{listed(list(map(repr, names)))}. If they are one class, give them one name."
            )


def numbered(entries: Sequence[Entry], classes: Sequence[str]) -> Labels:
    """The number of the class of each entry, [entries]."""
    numbers = {label: number for number, label in enumerate(classes)}
    return np.array([numbers[entry.label] for entry in entries], np.int64)


def require_enough(different: Sequence[Entry], least: int, *, name: str) -> None:
    """Each class has `least` different texts that can be spread over the splits that are drawn."""
    counts = Counter(entry.label for entry in different)
    few = sorted((label for label in counts if counts[label] < least), key=natural)
    if not few:
        return
    shown = [f"{label} ({counts[label]})" for label in few]
    odd = "Is the column of classes another one (dataset.label_column)? "
    raise InputError(
        f"data set texts: {name} cannot be split: each class needs {least} different texts at "
        f"least, and there are fewer of {listed(shown, most=10)}. "
        f"{odd if len(few) > len(counts) / 2 else ''}Give more texts of these classes, leave them "
        "out, or give the splits in a column."
    )


def _require_trained(entries: Sequence[Entry], name: str) -> None:
    """No class is only in the splits that are measured."""
    given = {entry.split for entry in entries}
    if given == {None}:
        return
    if Split.TRAIN not in given:
        raise InputError(
            f"data set texts: {name} has the splits {', '.join(sorted(map(str, given)))}, and none "
            "for training. Name one of them train, or leave the splits out: they are then drawn."
        )
    trained = {entry.label for entry in entries if entry.split is Split.TRAIN}
    first = {entry.label: entry for entry in reversed(entries) if entry.label not in trained}
    if first:
        raise InputError(
            f"data set texts: {name} has no training text of {_named(list(first.values()))}. Add "
            "training texts of it, or leave the class out."
        )


def _named(entries: Sequence[Entry]) -> str:
    return listed([f"{entry.label} ({entry.place})" for entry in entries], most=5)
