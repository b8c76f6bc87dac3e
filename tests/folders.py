"""Folders of pictures: noise over a colour, so that no two are alike."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets.folder import load, source_digest
from pipeline.datasets.splits import Dataset
from pipeline.recipe.schema import DatasetConfig


def picture(number: int, *, width: int = 20, height: int = 16) -> Image.Image:
    random = np.random.default_rng(number)
    colour = random.integers(0, 160, 3)
    pixels = colour + random.integers(0, 96, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def fill(root: Path, counts: Mapping[str, int], *, suffix: str = ".png") -> Path:
    """Folder below `root` -> the number of its pictures, all of which differ."""
    number = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            picture(number).save(root / folder / f"{number:04d}{suffix}")
            number += 1
    return root


def loaded(cfg: DatasetConfig) -> Dataset:
    """The data set as its files are now, as a new process loads it."""
    source_digest(cfg)
    return load(cfg)


def config(root: Path, **changes: object) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "folder", "path": root, **changes})
