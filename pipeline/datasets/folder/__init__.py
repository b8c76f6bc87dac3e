"""Your own pictures in a folder: a folder for each class, or a table of files and labels.

`scan` finds the files that are used, `index` their digests, `darkroom` decodes them once into a
cache, `parts` splits them. Images are made from each file by `targets.images`, as `predict` makes
them, and the pictures behind them are kept for random crops.
"""

from pipeline.datasets.audit.pictures import PictureRecord
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.folder.settings import Settings
from pipeline.datasets.folder.source import fresh, known, scanned, settings_of
from pipeline.datasets.splits import Dataset
from targets.formats.input_spec import Kind

__all__ = ["KIND", "Settings", "inventory_of", "load", "notes", "records", "source_digest"]

KIND: Kind = "image"


def source_digest(cfg: SourceConfig) -> str:
    return fresh(cfg).sha256


def load(cfg: SourceConfig) -> Dataset:
    return known(cfg).dataset()


def records(cfg: SourceConfig) -> tuple[PictureRecord, ...]:
    """Every file with its split, those that cannot be read too, sorted by path."""
    return known(cfg).records()


def notes(cfg: SourceConfig) -> tuple[str, ...]:
    """What is left out, and what was decided."""
    return known(cfg).inventory.notes


def inventory_of(cfg: SourceConfig) -> Inventory:
    """The files that are used, and notes on what is left out; no picture is opened."""
    return scanned(cfg.path, settings_of(cfg))
