"""Arrays in the form of a front end's features: a line in one half of the coefficients."""

import hashlib

import numpy as np

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe.section import NoSettings
from targets.formats.input_spec import Kind, array_input

KIND: Kind = "array"
SHAPE = (49, 10, 1)

Settings = NoSettings


def source_digest(cfg: SourceConfig) -> str:
    return hashlib.sha256(b"lines").hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    labels = np.arange(120) % 2
    raw = np.random.default_rng(0).normal(size=(len(labels), *SHAPE)).astype(np.float32)
    raw[np.arange(len(labels)), :, 5 * labels] += 2
    return Dataset(
        name="lines",
        classes=("low", "high"),
        splits=three_way(
            Samples(raw=raw, labels=labels),
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name="lines",
            kind=KIND,
        ),
        sha256=source_digest(cfg),
        spec=array_input(*SHAPE),
    )
