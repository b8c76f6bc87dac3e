"""Samples for a network that was trained elsewhere: an `.npz` with `images`, perhaps `labels`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets import forms
from pipeline.datasets.image_arrays import class_list
from pipeline.datasets.image_files import how_to_convert
from pipeline.datasets.npz import read
from pipeline.datasets.zipped_arrays import Arrays
from targets.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ImagesFile:
    images: npt.NDArray[np.uint8]
    """Raw, [samples, *the network's input]."""
    labels: npt.NDArray[np.int64] | None
    classes: tuple[str, ...] | None
    """Their names, if the file has as many as the network has classes."""
    sha256: str


def load(path: Path, *, shape: tuple[int | None, ...], classes: int | None) -> ImagesFile:
    """The samples in `path`, which must fit a network of this input `shape` and these classes.

    Grey images without a channel axis get one where the network has it.
    """
    if not path.is_file():
        way = how_to_convert(path, image=_height_first(shape))
        raise InputError(f"--data {path}: {way or 'not a file; give an .npz with uint8 images.'}")
    content = path.read_bytes()
    arrays = read(content, path)
    images = _images(arrays, path, shape)
    return ImagesFile(
        images=images,
        labels=_labels(arrays, path, len(images), classes),
        classes=_classes(arrays, path, classes),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _height_first(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The network's input as [height, width, channels], if it can be an image."""
    if len(shape) == 2:
        return (*shape, 1)
    if len(shape) != 3:
        return (None, None, None)
    first, second, last = shape
    return (second, last, first) if first in (1, 3) and last not in (1, 3) else shape


def _images(arrays: Arrays, path: Path, shape: tuple[int | None, ...]) -> npt.NDArray[np.uint8]:
    images = arrays.get("images")
    if images is None:
        raise InputError(f"--data {path}: no array 'images' in it; {forms.held(arrays)}")
    if images.dtype.hasobject:
        raise InputError(f"--data {path}: {forms.different_sizes('images')}")
    if images.ndim == len(shape) and shape[-1] == 1:
        images = images[..., np.newaxis]
    fits = _fits(images.shape[1:], shape)
    if images.dtype != np.uint8 or not fits or 0 in images.shape:
        raise InputError(
            f"--data {path}: images must be uint8 [samples, {_sizes(shape)}] with raw pixels "
            f"0-255, as the network takes them, not {images.dtype} [{_sizes(images.shape)}]. "
            f"{_remedy(images, shape)}"
        )
    return images.astype(np.uint8, copy=False)


def _fits(image: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(image) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, image, strict=True)
    )


def _remedy(images: npt.NDArray[np.generic], shape: tuple[int | None, ...]) -> str:
    """The lines that convert pixels and dimension order to those of the network."""
    remedies = [forms.pixels_problem(images) or ""]
    if images.ndim == 4 and not _fits(images.shape[1:], shape):
        remedies += [
            f"The channels come {where}: `images = images.transpose{axes}`."
            for axes, where in (((0, 2, 3, 1), "last"), ((0, 3, 1, 2), "first"))
            if _fits(tuple(images.shape[axis] for axis in axes[1:]), shape)
        ]
    return " ".join(filter(None, remedies)) or "Give images of the network's size."


def _labels(
    arrays: Arrays, path: Path, samples: int, classes: int | None
) -> npt.NDArray[np.int64] | None:
    labels: npt.NDArray[np.generic] | None = arrays.get("labels")
    if labels is None:
        return None
    problem = forms.labels_problem(labels, images=samples) or _range_problem(labels, classes)
    if problem:
        raise InputError(f"--data {path}: {problem}")
    return labels.astype(np.int64)


def _classes(arrays: Arrays, path: Path, count: int | None) -> tuple[str, ...] | None:
    names = class_list(arrays, path)
    return names if names and len(names) == (2 if count == 1 else count) else None


def _range_problem(labels: npt.NDArray[np.generic], classes: int | None) -> str | None:
    """Labels outside the network's classes; a single score means two classes."""
    known = 2 if classes == 1 else classes
    if labels.min() >= 0 and (known is None or labels.max() < known):
        return None
    problem = (
        f"the labels are {labels.min()} to {labels.max()}, but the network has {known} classes, "
        "numbered from 0."
    )
    if labels.min() < 0:
        return f"{problem} {forms.unlabelled(labels)}"
    if labels.min() == 1 and labels.max() == known:
        return f"{problem} Number them from 0: `labels = labels - 1`."
    return f"{problem} Give labels in the order of its outputs, or leave 'labels' out."


def _sizes(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)
