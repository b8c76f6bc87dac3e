"""The classes of labelled files, which make a data set or not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.datasets.class_names import natural
from pipeline.datasets.files.enough import require_least
from pipeline.datasets.files.inventory import Entry, twins
from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed, printable


def classes_of(root: Path, entries: Sequence[Entry], kind: FileKind) -> tuple[str, ...]:
    """In natural order. Raises `InputError` for what no data set is."""
    counts = Counter(entry.label for entry in entries if entry.label is not None)
    classes = tuple(sorted(counts, key=natural))
    broken = [name for name in classes if len(name.splitlines()) != 1 or not _is_text(name)]
    if broken:
        raise InputError(
            f"{kind.place}: labels.txt holds one class a line in UTF-8, and {listed(broken)} in "
            f"{root} cannot be such a line. Rename the class."
        )
    if not classes:
        raise InputError(
            f"{kind.place}: all {kind.many} in {root} are without a label, as they lie in a folder "
            f"for unlabelled ones. Give labelled {kind.many} too, each class in a folder of its "
            "own."
        )
    if len(classes) < 2:
        raise InputError(
            f"{kind.place}: {root} has only the class {listed(list(classes))}. Give the "
            f"{kind.many} of two classes at least, each class in a folder of its own."
        )
    _require_training(root, entries, kind)
    _require_divisible(root, entries, classes, kind)
    return classes


def _is_text(name: str) -> bool:
    """Whether UTF-8 can hold a name; the bytes of one that was not in it become surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name) and bool(name.strip())


def _require_training(root: Path, entries: Iterable[Entry], kind: FileKind) -> None:
    given = {entry.split for entry in entries}
    if given != {None} and Split.TRAIN not in given:
        raise InputError(
            f"{kind.place}: no {kind.one} in {root} is for training; the splits are "
            f"{', '.join(sorted(map(str, given)))}. Give some of them to the split train."
        )


def _require_divisible(
    root: Path, entries: Sequence[Entry], classes: tuple[str, ...], kind: FileKind
) -> None:
    """Enough files of each class for the splits that are not given."""
    given = {entry.split for entry in entries}
    divided = None if given == {None} else Split.TRAIN
    least = 3 if divided is None else 1 + len(set(Split) - given)
    counts = Counter(entry.label for entry in entries if entry.split is divided)
    require_least(root, {name: counts[name] for name in classes if counts[name]}, least, kind)


def split_notes(
    entries: Sequence[Entry], classes: tuple[str, ...], kind: FileKind
) -> Iterator[str]:
    """What the given splits lack, a sentence each."""
    given = {entry.split for entry in entries}
    if given == {None}:
        return
    for split in (Split.VAL, Split.TEST):
        if split not in given:
            yield f"There is no {split} split: a share of the training split is held out for it."
    trained = {entry.label for entry in entries if entry.split is Split.TRAIN}
    for name in classes:
        if name not in trained:
            yield f"There is no training {kind.one} of {printable(name)}{twins(name, classes)}."
