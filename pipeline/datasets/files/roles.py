"""What people call the folders and the values of a column that name a split."""

import re
from collections.abc import Iterable, Mapping

from pipeline.datasets.splits import Split

NAMES = {
    Split.TRAIN: ("train", "training"),
    Split.VAL: ("val", "valid", "validation", "validate", "dev", "development"),
    Split.TEST: ("test", "testing", "holdout"),
}
EVALUATION = ("eval", "evaluation")
"""The test split, or the validation split where another one is the test split."""

UNLABELLED = ("unlabelled", "unlabeled")

_PLAIN = re.compile(r"(?<=.)(set|data|split|images|imgs)$")


def roles(names: Iterable[str]) -> Mapping[str, Split]:
    """The names that mean a split, case and separators aside: `Train`, `test_set`, `valid`."""
    known = {name: split for split, variants in NAMES.items() for name in variants}
    plain = {name: _plain(name) for name in names}
    found = {name: known[word] for name, word in plain.items() if word in known}
    open_role = Split.VAL if Split.TEST in found.values() else Split.TEST
    return found | {name: open_role for name, word in plain.items() if word in EVALUATION}


def is_unlabelled(name: str) -> bool:
    return name.casefold() in UNLABELLED


def _plain(name: str) -> str:
    return _PLAIN.sub("", re.sub(r"[-_ ]", "", name.casefold()))
