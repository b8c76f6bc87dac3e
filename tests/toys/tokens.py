"""Rows of tokens: of each class there are a few that no other class has, at any places."""

import hashlib

import numpy as np

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe.section import NoSettings
from targets.formats.input_spec import Kind, token_input

KIND: Kind = "tokens"
CLASSES = ("sea", "wood", "town")
LENGTH, VOCABULARY, OWN, COMMON = 12, 40, 4, 20
"""Tokens of a row, different ones, those of one class alone, and the first one of all classes."""

Settings = NoSettings


def source_digest(cfg: SourceConfig) -> str:
    return hashlib.sha256(b"tokens").hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    random = np.random.default_rng(0)
    labels = np.arange(600) % len(CLASSES)
    raw = random.integers(COMMON, VOCABULARY, (len(labels), LENGTH))
    for row, label in zip(raw, labels, strict=True):
        places = random.choice(LENGTH - 4, 3, replace=False)
        row[places] = 2 + OWN * label + random.integers(0, OWN, 3)
        row[LENGTH - random.integers(0, 4) :] = 0
    return Dataset(
        name="tokens",
        classes=CLASSES,
        splits=three_way(
            Samples(raw=raw.astype(np.int32), labels=labels),
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name="tokens",
            kind=KIND,
        ),
        sha256=source_digest(cfg),
        spec=token_input(LENGTH, VOCABULARY),
    )
