"""The data set: tables, splits and tokenizer put together."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.datasets.texts.classes import classes_of, numbered
from pipeline.datasets.texts.columns import Columns
from pipeline.datasets.texts.copies import copies_of, leaks, numbers_of, require_no_leaks
from pipeline.datasets.texts.encodings import encoding_notes
from pipeline.datasets.texts.files import File, files_in, read
from pipeline.datasets.texts.parts import Rows, splits_of
from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.table import Entry, table_of
from pipeline.datasets.texts.vocabulary import tokenizer_of
from targets.texts.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Source:
    """The texts of a config; what follows from them is made when it is asked for."""

    cfg: SourceConfig
    name: str
    sha256: str
    columns: Columns
    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    about_files: tuple[str, ...]
    """Notes."""

    @property
    def place(self) -> str:
        return str(self.cfg.path)

    @cached_property
    def copies(self) -> list[int]:
        """A number for each entry, equal for equal texts."""
        return numbers_of(self.entries)

    @cached_property
    def splits(self) -> Mapping[Split, Rows]:
        return splits_of(self.entries, self.copies, self.classes, self.cfg, name=self.place)

    def texts(self, split: Split) -> list[str]:
        return [self.entries[row].text for row in self.splits[split].tolist()]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Learned from the training texts alone."""
        return tokenizer_of(self.texts(Split.TRAIN), settings_of(self.cfg), name=self.place)

    @cached_property
    def dataset(self) -> Dataset:
        labels = numbered(self.entries, self.classes)
        return Dataset(
            name=self.name,
            classes=self.classes,
            splits={
                split: Samples(raw=self.tokenizer(self.texts(split)), labels=labels[rows])
                for split, rows in self.splits.items()
            },
            sha256=self.sha256,
            spec=self.tokenizer.input,
            tokenizer=self.tokenizer,
        )


def fresh(cfg: SourceConfig) -> Source:
    """The source as its files are now. Raises `InputError` for all that is wrong with them."""
    return _source(cfg, tuple(read(path, split) for path, split in files_in(cfg.path).items()))


@lru_cache(maxsize=1)
def _source(cfg: SourceConfig, files: tuple[File, ...]) -> Source:
    """The same one for the same bytes, with all that followed from them."""
    settings = settings_of(cfg)
    tables = [table_of(file, settings) for file in files]
    entries = tuple(entry for table in tables for entry in table.entries)
    place = str(cfg.path)
    source = Source(
        cfg=cfg,
        name=(cfg.path or Path()).stem,
        sha256=_digest(files),
        columns=tables[0].columns,
        entries=entries,
        classes=classes_of(entries, name=place),
        about_files=tuple(
            note
            for file in files
            for note in encoding_notes(file.content, file.path, settings.encoding)
        ),
    )
    across = leaks(copies_of(entries, source.copies))
    require_no_leaks(across, name=place, allowed=settings.allow_leaks)
    return source


def _digest(files: tuple[File, ...]) -> str:
    """Of the splits too, which the names of files give; else, they may be renamed."""
    parts = [f"{file.split} {hashlib.sha256(file.content).hexdigest()}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def settings_of(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings
