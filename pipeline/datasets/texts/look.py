"""A quick look at a file of texts: its columns, classes and splits; nothing is learned."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Split
from pipeline.datasets.texts.classes import alike
from pipeline.datasets.texts.columns import Columns
from pipeline.datasets.texts.copies import copies_of, copy_notes, leaks
from pipeline.datasets.texts.encodings import guessed
from pipeline.datasets.texts.files import files_in, tables
from pipeline.datasets.texts.source import fresh, settings_of
from pipeline.datasets.texts.vocabulary import length_of
from targets.images.recognition import SUFFIXES as PICTURES
from targets.texts import tokens
from targets.texts.recognition import TABLES

SHOWN = 12
"""Classes that the summary lists."""


@dataclass(frozen=True, kw_only=True)
class Look:
    columns: Columns
    classes: Mapping[str, int]
    """Name -> texts, of all splits."""
    splits: Mapping[str, int]
    """`train`, `val`, `test` -> texts."""
    given: bool
    """Whether a column or the names of files give splits."""
    length: int
    """Words of 99 % of the training texts, at most."""
    leaks: int
    """Texts that are in two splits."""
    notes: Sequence[str]

    def summary(self) -> list[str]:
        """What is there, in lines."""
        names = list(self.classes.items())
        shown = ", ".join(f"{name} {count:,}" for name, count in names[:SHOWN])
        parts = ", ".join(f"{name} {count:,}" for name, count in self.splits.items())
        return [
            f"{sum(self.classes.values()):,} texts of {len(names)} classes: {shown}"
            f"{' …' if len(names) > SHOWN else ''}",
            f"splits ({'given' if self.given else 'seeded, by class'}): {parts}",
            f"99 % of the training texts have {self.length} words or fewer",
            *([LEAKING] if self.leaks else []),
            *self.notes,
        ]

    def described(self) -> dict[str, object]:
        return {
            "columns": vars(self.columns),
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "splits_given": self.given,
            "leaks": self.leaks,
            "notes": list(self.notes),
        }


LEAKING = "texts are in two splits, at which a run ends unless dataset.allow_leaks is true"


def holds_texts(path: Path) -> bool:
    """Whether `path` is a table, or a folder of tables alone: with pictures, they are theirs."""
    if path.is_file():
        return path.suffix.lower() in TABLES
    if not path.is_dir() or not tables(path):
        return False
    return not any(one.is_dir() or one.suffix.lower() in PICTURES for one in path.iterdir())


def encoding_of(path: Path) -> str:
    """The likely one of the first file."""
    return guessed(next(iter(files_in(path))).read_bytes())


def look(cfg: SourceConfig) -> Look:
    """Raises `InputError` for files that are no data set; texts in two splits are counted."""
    allowing = settings_of(cfg).model_copy(update={"allow_leaks": True})
    source = fresh(cfg.model_copy(update={"settings": allowing}))
    copies = copies_of(source.entries, source.copies)
    counts = Counter(entry.label for entry in source.entries)
    training = source.texts(Split.TRAIN)
    return Look(
        columns=source.columns,
        classes={name: counts[name] for name in source.classes},
        splits={split.value: len(source.splits[split]) for split in Split},
        given=any(entry.split is not None for entry in source.entries),
        length=length_of([sum(1 for _ in tokens.words(text)) for text in training]),
        leaks=len(leaks(copies)),
        notes=(*source.about_files, *alike(source.classes), *copy_notes(copies)),
    )
