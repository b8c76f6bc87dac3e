"""The files of a data set as a folder or a manifest lists them; no picture is opened."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.splits import Split

SHOWN = 20
"""Names that one message lists."""


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
    empty: tuple[str, ...] = ()
    """Folders without pictures where classes are expected."""
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


def shown(name: str) -> str:
    """A name as one line of a message holds it."""
    return name if name.isprintable() else repr(name)


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more
