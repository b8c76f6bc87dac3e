"""Labelled data. A data set is one module with `source_digest` and `load`, and one line here."""

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.recipe import DatasetConfig

DATASETS = {
    "digits": "pipeline.datasets.digits",
    "fashion-mnist": "pipeline.datasets.fashion_mnist",
    "npz": "pipeline.datasets.npz",
    "npy": "pipeline.datasets.npy",
}
"""Name of a data set -> its module, imported when it is read."""


@lru_cache(maxsize=2)
def source_digest(cfg: "DatasetConfig") -> str:
    """sha256 over the contents of the source files; does not import the library that ships them."""
    digest: str = import_module(DATASETS[cfg.name]).source_digest(cfg)
    return digest


@lru_cache(maxsize=2)
def load(cfg: "DatasetConfig") -> "Dataset":
    """The data set, in memory or mapped to it; read once per process."""
    dataset: Dataset = import_module(DATASETS[cfg.name]).load(cfg)
    return dataset
