"""Bright and dark images, as many as a setting of its own asks for."""

import hashlib
from dataclasses import replace

import numpy as np

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import UNLABELLED, Dataset, Samples, three_way
from pipeline.recipe.section import PositiveInt, Section
from targets.formats.input_spec import Kind

KIND: Kind = "image"


class Settings(Section):
    samples: PositiveInt = 120
    unlabelled: int = 0
    """Images without labels, behind the others."""
    unlabelled_seed: int = 1


def source_digest(cfg: SourceConfig) -> str:
    return hashlib.sha256(repr(cfg.settings).encode()).hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    assert isinstance(cfg.settings, Settings)
    labelled = _samples(cfg.settings.samples, seed=0)
    more = _samples(cfg.settings.unlabelled, seed=cfg.settings.unlabelled_seed)
    unlabelled = replace(more, labels=np.full(len(more), UNLABELLED)) if len(more) else None
    return Dataset(
        name="toy",
        classes=("dark", "bright"),
        splits=three_way(
            labelled,
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name="toy",
        ),
        sha256=source_digest(cfg),
        unlabelled=unlabelled,
    )


def _samples(count: int, *, seed: int) -> Samples:
    labels = np.arange(count) % 2
    noise = np.random.default_rng(seed).integers(0, 100, (count, 8, 8, 1))
    return Samples(raw=(100 * labels[:, None, None, None] + noise).astype(np.uint8), labels=labels)
