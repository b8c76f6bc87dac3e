"""Your own images in a folder of numpy's `.npy` files, however many: they are memory-mapped.

`images.npy` is uint8 [samples, height, width] or [samples, height, width, channels], `labels.npy`
is integer [samples] from 0; the optional `classes.txt` has their names, one per line. They are
split like an `.npz`. A split is an index into the file: the images are never all in memory.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets import image_files
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.forms import OBJECTS
from pipeline.datasets.image_arrays import dataset
from pipeline.datasets.splits import Dataset
from pipeline.datasets.zipped_arrays import UNREADABLE, Arrays
from pipeline.recipe.section import NoSettings
from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.formats.input_spec import Kind

IMAGES, LABELS, CLASSES = "images.npy", "labels.npy", "classes.txt"

Settings = NoSettings
KIND: Kind = "image"


def source_digest(cfg: SourceConfig) -> str:
    """Return one digest over those of the files, each of which is read in small pieces."""
    folder = _folder(cfg)
    digest = hashlib.sha256()
    for path in filter(Path.is_file, (folder / IMAGES, folder / LABELS, folder / CLASSES)):
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    folder = _folder(cfg)
    name = folder.resolve().name
    return dataset(_read(folder), folder, cfg, name=name, sha256=source_digest(cfg))


def _folder(cfg: SourceConfig) -> Path:
    if cfg.path is None:
        raise InputError("data set npy: needs a folder: give it with --data FOLDER.")
    for name in (IMAGES, LABELS):
        if not (cfg.path / name).is_file():
            way = image_files.how_to_read(cfg.path)
            raise InputError(
                f"data set npy: {cfg.path} is not a folder with {IMAGES} and {LABELS}: there is no "
                f"{name}. Give that folder with --data; for one .npz file the data set is npz."
                + (f" {way}" if way else "")
            )
    return cfg.path


def _read(folder: Path) -> Arrays:
    arrays = {
        "images": _array(folder / IMAGES, mapped=True),
        "labels": _array(folder / LABELS, mapped=False),
    }
    names = folder / CLASSES
    if names.is_file():
        try:
            arrays["classes"] = np.array(names.read_text(encoding="utf-8").splitlines(), str)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"data set npy: {names} cannot be read as UTF-8 text: {error}. Write one name a "
                "line, in the order of the labels."
            ) from error
    return arrays


def _array(path: Path, *, mapped: bool) -> npt.NDArray[np.generic]:
    # Not np.load: it would open an archive too, and leave its file open.
    found: npt.NDArray[np.generic]
    try:
        if mapped:
            found = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
        else:
            with path.open("rb") as file:
                found = np.lib.format.read_array(file, allow_pickle=False)  # type: ignore[no-untyped-call]
    except UNREADABLE as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            return OBJECTS
        raise InputError(
            f"data set npy: {path} cannot be read as .npy: {error}. Write it with numpy.save, or "
            "piece by piece with numpy.lib.format.open_memmap."
        ) from error
    return found
