"""Your own images in one `.npz` file: `images` and `labels`, and optionally `classes`.

`images` is uint8 [samples, height, width] or [samples, height, width, channels], `labels` is
integer [samples] from 0, `classes` is their names. The file is split into training, validation
and test by the recipe's shares, stratified by label.
"""

import hashlib
from pathlib import Path

from pipeline.datasets import zipped_arrays
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.image_arrays import dataset
from pipeline.datasets.image_files import how_to_read
from pipeline.datasets.splits import Dataset
from pipeline.datasets.zipped_arrays import Arrays
from pipeline.recipe.section import NoSettings
from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.formats.input_spec import Kind

Settings = NoSettings
KIND: Kind = "image"


def source_digest(cfg: SourceConfig) -> str:
    return file_sha256(_path(cfg))


def load(cfg: SourceConfig) -> Dataset:
    path = _path(cfg)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return dataset(read(content, path), path, cfg, name=path.stem, sha256=digest)


def _path(cfg: SourceConfig) -> Path:
    if cfg.path is None:
        raise InputError("data set npz: needs a file: give it with --data FILE.npz.")
    if (cfg.path / "images.npy").is_file():
        raise InputError(
            f"data set npz: {cfg.path} is a folder of .npy files; that is the data set npy "
            "(dataset.name)."
        )
    if not cfg.path.is_file():
        way = how_to_read(cfg.path) or f"{cfg.path} is not a file; give an .npz with --data."
        raise InputError(f"data set npz: {way}")
    return cfg.path


def read(content: bytes, path: Path) -> Arrays:
    """The arrays by name; `forms.OBJECTS` replaces an array of Python objects."""
    return zipped_arrays.read(content, path, dataset="npz", holds="images")
