"""The files of a data set as a folder or a manifest lists them; no picture is opened."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.splits import Split
from targets.errors import listed


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    path: str
    """Relative to the data set's folder, with slashes."""
    label: str | None
    """Name of its class; null without a label."""
    split: Split | None = None
    """Null where the data do not say."""
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Inventory:
    root: Path
    entries: tuple[Entry, ...]
    """Sorted by path; those without a label are for the distillation."""
    classes: tuple[str, ...]
    """Of all splits, in natural order."""
    notes: tuple[str, ...] = ()
    """What is left out and what was decided, a sentence each."""

    @property
    def name(self) -> str:
        return self.root.resolve().name


def natural(text: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A sort key with 2 before 10 and without regard to case, but for equal names."""
    parts = re.split(r"(\d+)", text)
    key = [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p.casefold()) for p in parts if p]
    return key, text


def twins(name: str, names: Iterable[str]) -> str:
    """`; like Shirt?` for a name whose last folder is another's, case and space aside."""
    like = [other for other in names if other != name and _plain(other) == _plain(name)]
    return f"; like {listed(like)}?" if like else ""


def _plain(name: str) -> str:
    return name.rpartition("/")[2].strip().casefold()
