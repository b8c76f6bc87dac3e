"""Your own measurements in one `.npz` file: float `values`, and `labels`.

Series of sensors [samples, time, channels], features [samples, features], and maps [samples,
height, width, channels]. `names` finds the arrays by their names, `archive` puts them together,
`scaling` learns mean and deviation of each channel from the training samples alone; they become
part of every exported graph.
"""

from pipeline.datasets.arrays.notes import notes_on
from pipeline.datasets.arrays.settings import Settings
from pipeline.datasets.arrays.source import fresh
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset
from targets.formats.input_spec import Kind

__all__ = ["KIND", "Settings", "load", "notes", "source_digest"]

KIND: Kind = "array"


def source_digest(cfg: SourceConfig) -> str:
    """Of the file. Raises `InputError` for all that is wrong with it: nothing else is needed."""
    return fresh(cfg).sha256


def load(cfg: SourceConfig) -> Dataset:
    return fresh(cfg).dataset


def notes(cfg: SourceConfig) -> tuple[str, ...]:
    return tuple(notes_on(fresh(cfg)))
