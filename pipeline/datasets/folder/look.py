"""A quick look at a folder of pictures: its labels, and the headers of its files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.folder.form import require_least
from pipeline.datasets.folder.source import fresh
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed
from targets.images.reading import UnreadablePictureError, header

HEADERS = 5000
"""Files whose headers are read, evenly spread over all."""
SHOWN = 12
"""Classes that the summary lists."""


@dataclass(frozen=True, kw_only=True)
class Look:
    root: Path
    classes: Mapping[str, int]
    """Name -> labelled pictures, of all splits."""
    splits: Mapping[str, int]
    """`train`, `val`, `test` -> pictures."""
    given: bool
    """Whether the folder or the table gives splits."""
    unlabelled: int
    sides: Sequence[tuple[int, int]]
    """(width, height) of the pictures whose headers were read."""
    unreadable: Mapping[str, str]
    """File -> why it, or its header, cannot be read."""
    notes: Sequence[str]

    def summary(self) -> list[str]:
        """What is there, in lines."""
        shorter = sorted(map(min, self.sides))
        median = shorter[len(shorter) // 2]
        total, parts = sum(self.classes.values()), self.splits
        how = "given" if self.given else "seeded, by class"
        return [
            f"{total:,} labelled pictures of {len(self.classes)} classes: {self._classes()}",
            f"splits ({how}): {', '.join(f'{name} {count:,}' for name, count in parts.items())}",
            *([f"{self.unlabelled:,} pictures without a label"] if self.unlabelled else []),
            f"shorter side {shorter[0]} to {shorter[-1]} pixels, median {median}",
            *([self._bad()] if self.unreadable else []),
            *self.notes,
        ]

    def described(self) -> dict[str, object]:
        return {
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "splits_given": self.given,
            "unreadable": dict(self.unreadable),
            "unlabelled": self.unlabelled,
            "notes": list(self.notes),
        }

    def _bad(self) -> str:
        files = [f"{path} ({reason})" for path, reason in self.unreadable.items()]
        return f"cannot be used, so that a run needs --skip-bad: {listed(files, most=5)}"

    def _classes(self) -> str:
        shown = [f"{name} {count:,}" for name, count in list(self.classes.items())[:SHOWN]]
        return ", ".join(shown) + (" …" if len(self.classes) > SHOWN else "")


def look(cfg: SourceConfig) -> Look:
    """Raises `InputError` for a folder that is no data set."""
    source = fresh(cfg)
    entries = source.inventory.entries
    bad = dict(source.unread)
    paths = [entry.path for entry in entries if entry.path not in bad]
    counts = Counter(entry.label for entry in entries if entry.label is not None)
    sides = []
    for path in paths[:: max(1, len(paths) // HEADERS)]:
        try:
            width, height, _ = header(source.inventory.root / path)
            require_least(width, height)
            sides.append((width, height))
        except UnreadablePictureError as error:
            bad[path] = str(error)
    if not sides:
        files = [f"{path} ({reason})" for path, reason in bad.items()]
        raise InputError(
            f"{source.inventory.root}: no file in it can be used as a picture: "
            f"{listed(files, most=5)}. Give a folder of .jpg or .png files."
        )
    splits = source.quick_splits
    return Look(
        root=source.inventory.root,
        classes={name: counts[name] for name in source.inventory.classes},
        splits={split.value: sum(at is split for at in splits) for split in Split},
        given=any(entry.split is not None for entry in entries),
        unlabelled=sum(entry.label is None for entry in entries),
        sides=sides,
        unreadable=bad,
        notes=source.inventory.notes,
    )
