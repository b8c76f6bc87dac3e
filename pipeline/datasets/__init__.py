"""Labelled data. A data set is one module with `source_digest` and `load`, and one line here."""

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.recipe.schema import DatasetConfig

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
    digest: str = _module(cfg).source_digest(cfg)
    return digest


@lru_cache(maxsize=2)
def load(cfg: "DatasetConfig") -> "Dataset":
    """The data set, in memory or mapped to it, at the recipe's size; read once per process."""
    from pipeline.datasets.size import resized

    dataset: Dataset = _module(cfg).load(cfg)
    return dataset if cfg.size is None else resized(dataset, cfg.size)


def _module(cfg: "DatasetConfig") -> Any:
    from pipeline.engine import plugins

    return import_module(plugins.require("datasets", cfg.name, DATASETS, word="dataset"))
