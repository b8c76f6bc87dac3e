"""The pictures that a finished model is measured on, with its numbers for their classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from pipeline.datasets.files.inventory import Entry, twins
from pipeline.datasets.files.listing import found_in, listing
from pipeline.datasets.folder.pictures import PICTURES
from pipeline.datasets.folder.settings import Settings
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed, printable
from targets.prediction.files import Folders, Found


@dataclass(frozen=True, kw_only=True)
class MeasuredPictures:
    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64]
    notes: tuple[str, ...]
    """What is measured and what is left out, a sentence each."""


def measured(root: Path, classes: Sequence[str], *, model: str) -> MeasuredPictures:
    """The test split if `root` has one, else the validation split, else every picture.

    The class of a picture is that of its label, or of the nearest folder that has the name of a
    class of the model, as in `predict`. Raises `InputError` for a picture of no class of `model`,
    and where all pictures are for training.
    """
    found = listing(root, found_in(root, PICTURES), Settings(), training=False)
    _require_measurable(root, found.labelled.entries)
    chosen, what = _chosen(found.labelled.entries)
    numbers = {normalize("NFC", name): number for number, name in enumerate(classes)}
    folders, below = Folders(classes), len(root.absolute().parts)

    def number(entry: Entry) -> int | None:
        named = numbers.get(normalize("NFC", entry.label or ""))
        if named is not None or found.table is not None:
            return named
        return folders.class_of(Found(path=root / entry.path, below=below))

    labels = [number(entry) for entry in chosen]
    _require_known(root, chosen, labels, classes, model)
    known = np.array(labels, np.int64)
    summary = (
        f"{what} of {printable(str(root))}: {len(chosen):,} pictures of {len(np.unique(known))} of "
        f"the {len(classes)} classes of {model}."
    )
    if chosen[0].split is None:
        summary += " No split is given: pictures that the model was trained on may be among them."
    return MeasuredPictures(
        paths=tuple(root / entry.path for entry in chosen),
        labels=known,
        notes=(summary, *found.labelled.notes),
    )


def _require_measurable(root: Path, entries: Sequence[Entry]) -> None:
    given = {entry.split for entry in entries}
    if not given:
        raise InputError(
            f"--data {root}: all pictures in it are without a label. Put the pictures of each "
            "class into a folder of its own."
        )
    if given == {Split.TRAIN}:
        raise InputError(
            f"--data {root}: all labelled pictures in it are in the training split, and the "
            "accuracy on these is not that on new ones. Give a folder with a test split, or class "
            "folders of pictures that the model was not trained on."
        )


def _chosen(entries: Sequence[Entry]) -> tuple[list[Entry], str]:
    """The entries that are measured, and what they are in words."""
    for split, what in ((Split.TEST, "The test split"), (Split.VAL, "The validation split")):
        if held := [entry for entry in entries if entry.split is split]:
            return held, what
    return list(entries), "All pictures"


def _require_known(
    root: Path,
    entries: Sequence[Entry],
    labels: Sequence[int | None],
    classes: Sequence[str],
    model: str,
) -> None:
    pairs = zip(entries, labels, strict=True)
    lost = Counter(entry.label or "" for entry, label in pairs if label is None)
    if lost:
        named = [f"{name} ({count:,}{twins(name, classes)})" for name, count in lost.items()]
        raise InputError(
            f"--data {root}: {model} has no class for the pictures of {listed(named, most=10)}; "
            f"its classes are {listed(classes, most=10)}. Give these folders the names of its "
            "classes or leave them out; the classes of a file without a sidecar are named by "
            "--labels."
        )
