"""One class under two names: a folder moved in one split, labels that differ by case."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.datasets.class_names import spelling
from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.splits import Split
from targets.errors import printable


def one_name(entries: Sequence[Entry], *, merge: bool) -> Mapping[str, str]:
    """Label -> the label that it counts as; with `merge` also those of another case or space."""
    names = merged(entries) if merge else {}
    return {**names, **moved(renamed(entries, names))}


def renamed(entries: Iterable[Entry], names: Mapping[str, str]) -> tuple[Entry, ...]:
    """The entries with the labels of `names` (old -> new) replaced."""
    return tuple(
        entry if entry.label is None else replace(entry, label=names.get(entry.label, entry.label))
        for entry in entries
    )


def merged(entries: Sequence[Entry]) -> Mapping[str, str]:
    """Label -> the most frequent of the labels with the same spelling."""
    counts = Counter(entry.label for entry in entries if entry.label is not None)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda name: (-counts[name], name)):
        spellings[spelling(label)].append(label)
    return {other: first for first, *others in spellings.values() for other in others}


def moved(entries: Sequence[Entry]) -> Mapping[str, str]:
    """Nested class without a training file -> the training class that it must be.

    That is the only one with the same last folder, and no file of it is in the split of the
    other: `test/Vegetables/Mushroom/Cap` beside `train/Vegetables/Cap`.
    """
    splits: dict[str, set[Split | None]] = defaultdict(set)
    by_leaf: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.label is not None:
            splits[entry.label].add(entry.split)
            by_leaf[entry.label.rpartition("/")[2]].add(entry.label)
    pairs = [pair for pair in by_leaf.values() if len(pair) == 2]
    found = {}
    for pair in pairs:
        one, other = sorted(pair, key=lambda name: Split.TRAIN in splits[name])
        if splits[one].isdisjoint(splits[other]) and Split.TRAIN in splits[other]:
            found[one] = other
    return found


def counted_as(names: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each class that got the name of another one."""
    return tuple(
        f"{printable(old)} counts as {printable(new)}: the same class under another name."
        for old, new in names.items()
    )
