"""A quick look at a file of arrays: its shape, classes and splits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.arrays.notes import oddities, shape_of
from pipeline.datasets.arrays.source import fresh, settings_of
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Split

SHOWN = 12
"""Classes that the summary lists."""


@dataclass(frozen=True, kw_only=True)
class Look:
    shape: tuple[int, ...]
    """Of a sample."""
    what: str
    """The same in words."""
    classes: Mapping[str, int]
    """Name -> samples, of all splits."""
    splits: Mapping[str, int]
    """`train`, `val`, `test` -> samples."""
    given: bool
    """Whether the file gives splits."""
    groups: int
    notes: Sequence[str]

    def summary(self) -> list[str]:
        """What is there, in lines."""
        names = list(self.classes.items())
        shown = ", ".join(f"{name} {count:,}" for name, count in names[:SHOWN])
        parts = ", ".join(f"{name} {count:,}" for name, count in self.splits.items())
        how = "given" if self.given else "seeded, by group" if self.groups else "seeded, by class"
        return [
            f"{sum(self.classes.values()):,} samples of {len(names)} classes: {shown}"
            f"{' …' if len(names) > SHOWN else ''}",
            f"splits ({how}): {parts}",
            *([f"{self.groups:,} groups"] if self.groups else []),
            f"each is {self.what}",
            *self.notes,
        ]

    def described(self) -> dict[str, object]:
        return {
            "shape": list(self.shape),
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "splits_given": self.given,
            "groups": self.groups,
            "notes": list(self.notes),
        }


def holds_arrays(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".npz"


def look(cfg: SourceConfig) -> Look:
    """Raises `InputError` for a file that is no data set; samples in two splits are allowed."""
    allowing = settings_of(cfg).model_copy(update={"allow_leaks": True})
    source = fresh(cfg.model_copy(update={"settings": allowing}))
    counts = Counter(source.archive.labels.names)
    return Look(
        shape=source.archive.values.shape[1:],
        what=shape_of(source),
        classes={name: counts[name] for name in source.archive.labels.classes},
        splits={split.value: len(source.splits[split]) for split in Split},
        given={*source.archive.splits} != {None},
        groups=len({*source.archive.groups} - {None}),
        notes=tuple(oddities(source)),
    )
