"""Samples for a network that was trained elsewhere: an `.npz` with `images`, perhaps `labels`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.arrays import Arrays
from pipeline.datasets.npz import read
from targets.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ImagesFile:
    images: npt.NDArray[np.uint8]
    """Raw, [samples, *the network's input]."""
    labels: npt.NDArray[np.int64] | None
    sha256: str


def load(path: Path, *, shape: tuple[int | None, ...], classes: int | None) -> ImagesFile:
    """The samples in `path`, which must fit a network of this input `shape` and these classes.

    Grey images without a channel axis get one where the network has it.
    """
    if not path.is_file():
        raise InputError(f"--data {path}: not a file; give an .npz with uint8 images.")
    content = path.read_bytes()
    arrays = read(content, path)
    images = _images(arrays, path, shape)
    return ImagesFile(
        images=images,
        labels=_labels(arrays, path, len(images), classes),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _images(arrays: Arrays, path: Path, shape: tuple[int | None, ...]) -> npt.NDArray[np.uint8]:
    images = arrays.get("images")
    if images is None:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise InputError(f"--data {path}: no array 'images' in it; it holds {held}.")
    if images.ndim == len(shape) and shape[-1] == 1:
        images = images[..., np.newaxis]
    fits = images.ndim == len(shape) + 1 and all(
        want in (None, have) for want, have in zip(shape, images.shape[1:], strict=True)
    )
    if images.dtype != np.uint8 or not fits or 0 in images.shape:
        raise InputError(
            f"--data {path}: images must be uint8 [samples, {_sizes(shape)}] with raw pixels "
            f"0-255, as the network takes them, not {images.dtype} [{_sizes(images.shape)}]."
        )
    return images


def _labels(
    arrays: Arrays, path: Path, samples: int, classes: int | None
) -> npt.NDArray[np.int64] | None:
    labels: npt.NDArray[Any] | None = arrays.get("labels")
    if labels is None:
        return None
    if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"--data {path}: labels must be integers, one per image ({samples}), not "
            f"{labels.dtype} [{_sizes(labels.shape)}]."
        )
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        raise InputError(
            f"--data {path}: the labels are {labels.min()} to {labels.max()}, but the network has "
            f"{classes} classes, numbered from 0."
        )
    return labels.astype(np.int64)


def _sizes(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)
