"""Your own sounds in a folder: a folder for each class, a table, or names that hold the class.

`scan` finds the files and their labels, speakers and splits, `cache` makes their windows once,
`background` cuts recordings of noise. A window is made of each file by `targets.sounds`, as
`predict` makes it; its features are computed in the graph of the network.
"""

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.sounds.notes import notes_of
from pipeline.datasets.sounds.settings import Settings
from pipeline.datasets.sounds.source import fresh, known
from pipeline.datasets.splits import Dataset, Split
from targets.formats.input_spec import Kind

__all__ = ["KIND", "Settings", "load", "notes", "paths", "source_digest"]

KIND: Kind = "waveform"


def source_digest(cfg: SourceConfig) -> str:
    return fresh(cfg).sha256


def load(cfg: SourceConfig) -> Dataset:
    return known(cfg).dataset()


def notes(cfg: SourceConfig) -> tuple[str, ...]:
    """What the data set holds, what was left out, and what was decided."""
    return tuple(notes_of(known(cfg)))


def paths(cfg: SourceConfig, split: Split) -> list[str | None]:
    return known(cfg).paths(split)
