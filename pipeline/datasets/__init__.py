"""Labelled data. To add a data set: its module (see `contract`) and a line in `_built_in`."""

from functools import lru_cache

from pipeline.datasets.contract import DatasetSource, SourceConfig
from pipeline.datasets.splits import Dataset
from targets.registry import Registry


def _built_in() -> dict[str, DatasetSource]:
    from pipeline.datasets import digits, fashion_mnist, npy, npz

    return {"digits": digits, "fashion-mnist": fashion_mnist, "npz": npz, "npy": npy}


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
