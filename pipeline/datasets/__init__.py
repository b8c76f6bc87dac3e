"""Labelled data. To add a data set: its module (see `contract`) and a line in `_built_in`."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.class_names import natural
from pipeline.datasets.contract import (
    AuditedSource,
    DatasetSource,
    FiledSource,
    NotedSource,
    SourceConfig,
    TextSource,
)
from pipeline.datasets.splits import Dataset, Split
from targets.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.datasets.audit.pictures import PictureRecord
    from pipeline.datasets.audit.schema import Audit
    from targets.images.reading import Pixels


def _built_in() -> dict[str, DatasetSource]:
    from pipeline.datasets import (
        arrays,
        commands,
        digits,
        fashion_mnist,
        folder,
        gestures,
        npy,
        npz,
        sounds,
        texts,
        vowels,
    )

    return {
        "digits": digits,
        "fashion-mnist": fashion_mnist,
        "npz": npz,
        "npy": npy,
        "folder": folder,
        "sounds": sounds,
        "texts": texts,
        "arrays": arrays,
        "vowels": vowels,
        "commands": commands,
        "gestures": gestures,
    }


DATASETS = Registry("datasets", noun="dataset", contract=DatasetSource, built_in=_built_in)


@lru_cache(maxsize=2)
def source_digest(cfg: SourceConfig) -> str:
    """sha256 over the contents of the source files."""
    return DATASETS[cfg.name].source_digest(cfg)


@lru_cache(maxsize=2)  # at the size of the student, and at that of its teacher
def load(cfg: SourceConfig) -> Dataset:
    """The data set, in memory or memory-mapped, at the recipe's size; read once per process."""
    from pipeline.datasets.size import resized

    dataset = DATASETS[cfg.name].load(cfg)
    return dataset if cfg.size is None else resized(dataset, cfg.size)


@lru_cache(maxsize=2)
def records(cfg: SourceConfig) -> "tuple[PictureRecord, ...]":
    """The picture files of the data set; none where it is not made of files."""
    source = DATASETS[cfg.name]
    return tuple(source.records(cfg)) if isinstance(source, AuditedSource) else ()


@lru_cache(maxsize=2)
def audit_of(cfg: SourceConfig) -> "Audit | None":
    """What is in the picture files of the data set; None where it is not made of files."""
    found = records(cfg)
    if not found:
        return None
    from pipeline.datasets.audit.inspection import audit

    labels = {record.label for record in found if record.error is None}
    classes = sorted((label for label in labels if label is not None), key=natural)
    made = audit(found, classes, size=cfg.size)
    source = DATASETS[cfg.name]
    assert isinstance(source, AuditedSource)  # it has records
    return made.model_copy(update={"notes": tuple(source.notes(cfg))})


def notes_on(cfg: SourceConfig) -> tuple[str, ...]:
    """What a data set without an audit found; nothing where it says nothing."""
    source = DATASETS[cfg.name]
    if isinstance(source, AuditedSource) or not isinstance(source, NotedSource):
        return ()
    return tuple(source.notes(cfg))


def texts_of(cfg: SourceConfig) -> "dict[Split, Sequence[str]]":
    """The texts of each split in the order of its samples; none where the data are no texts."""
    source = DATASETS[cfg.name]
    return {s: source.texts(cfg, s) for s in Split} if isinstance(source, TextSource) else {}


def paths_of(cfg: SourceConfig) -> "dict[Split, Sequence[str | None]]":
    """The files of each split in the order of its samples, of a data set without records."""
    source = DATASETS[cfg.name]
    return {s: source.paths(cfg, s) for s in Split} if isinstance(source, FiledSource) else {}


def read_picture(cfg: SourceConfig, path: str) -> "Pixels":
    """The RGB pixels of a file by the path of its record."""
    from targets.images.reading import read

    folder = cfg.path or Path()
    return read((folder if folder.is_dir() else folder.parent) / path)
