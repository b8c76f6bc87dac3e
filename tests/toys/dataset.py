"""Bright and dark images, as many as a setting of its own asks for."""

import hashlib

import numpy as np

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe.section import PositiveInt, Section


class Settings(Section):
    samples: PositiveInt = 120


def source_digest(cfg: SourceConfig) -> str:
    return hashlib.sha256(repr(cfg.settings).encode()).hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    assert isinstance(cfg.settings, Settings)
    labels = np.arange(cfg.settings.samples) % 2
    noise = np.random.default_rng(0).integers(0, 100, (len(labels), 8, 8, 1))
    images = (100 * labels[:, None, None, None] + noise).astype(np.uint8)
    return Dataset(
        name="toy",
        classes=("dark", "bright"),
        splits=three_way(
            Samples(images=images, labels=labels),
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name="toy",
        ),
        sha256=source_digest(cfg),
    )
