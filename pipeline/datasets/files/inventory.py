"""The files of a data set as a folder or a table lists them; none is opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.class_names import spelling
from pipeline.datasets.files.kind import FileKind
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
    kind: FileKind
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


def twins(name: str, names: Iterable[str]) -> str:
    """`; like Shirt?` for a name whose last folder is another's, but for the spelling."""
    like = [other for other in names if other != name and _last(other) == _last(name)]
    return f"; like {listed(like)}?" if like else ""


def _last(name: str) -> str:
    return spelling(name.rpartition("/")[2])
