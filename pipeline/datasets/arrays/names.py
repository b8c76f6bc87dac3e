"""Which arrays of a file are what, by their names: as they are, or apart for each split."""

import re
from collections.abc import Mapping, Sequence

from pipeline.datasets.files.roles import roles
from pipeline.datasets.splits import Split
from pipeline.datasets.zipped_arrays import Arrays
from targets.errors import InputError, listed

Parts = Mapping[Split | None, str]
"""Split, None for all of them -> the name of an array."""

VALUES = ("values", "value", "x", "features", "data", "signals", "samples", "inputs")
LABELS = ("labels", "label", "y", "targets", "target")
CLASSES = ("classes", "class_names", "label_names", "target_names")
SPLITS = ("split", "splits")
GROUPS = ("groups", "group", "subjects", "subject", "persons", "person", "recordings", "recording")


def parts_of(arrays: Arrays, known: Sequence[str], *, place: str) -> Parts:
    """The arrays of one meaning. Raises `InputError` where two could be meant."""
    found: dict[Split | None, list[str]] = {}
    for name in arrays:
        word, split = _read(name)
        if word in known:
            found.setdefault(split, []).append(name)
    several = next((names for names in found.values() if len(names) > 1), None)
    if several or (None in found and len(found) > 1):
        names = several or [name for names in found.values() for name in names]
        raise InputError(
            f"{place}: {listed(names)} may all be the {known[0]}. Keep one of them, or one for "
            f"each split: {known[0]}_train and {known[0]}_test."
        )
    return {split: name for split, (name,) in found.items()}


def _read(name: str) -> tuple[str, Split | None]:
    """`X_train` is ("x", TRAIN)."""
    words = [word for word in re.split(r"[_\-. ]+", name.lower()) if word]
    named = roles(words)
    plain = [word for word in words if word not in named]
    split = next((named[word] for word in words if word in named), None) if plain else None
    return "_".join(plain or words), split


def contents(arrays: Arrays) -> str:
    """What a file holds, for an error."""
    shown = [f"{name} {array.dtype} {list(array.shape)}" for name, array in arrays.items()]
    return listed(shown, most=10) or "nothing"
