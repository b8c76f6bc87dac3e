"""The samples that models are measured with: raw values of any type, and perhaps labels."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from targets.errors import InputError

Array = npt.NDArray[np.generic]
NAMES = ("images", "samples", "inputs", "x", "values", "data", "features")
"""Names of the array in an archive, or of the .npy in a folder, that holds the samples."""
EMPTY = "holds no sample"


@dataclass(frozen=True, kw_only=True)
class LabelledSamples:
    path: Path
    """.npy [samples, ...] that the measuring process maps."""
    shape: tuple[int, ...]
    """Shape of one sample."""
    dtype: "np.dtype[np.generic]"
    count: int
    labels: npt.NDArray[np.int64] | None
    source: str
    """The file or folder that the user gave, without its parents."""


def read(path: Path, scratch: Path) -> LabelledSamples:
    """Read an `.npy`, an `.npz` (`images` or `values`, perhaps `labels`), or a folder of `.npy`.

    An archive's samples are unpacked into `scratch`; the rest is used where it is. Raises
    `InputError` with what is wrong.
    """
    with _readable(path):
        if path.is_dir():
            arrays: Mapping[str, Array] = {
                file.stem: np.load(file, mmap_mode="r", allow_pickle=False)
                for file in sorted(path.glob("*.npy"))
            }
            samples, stored = _samples(arrays, path), path / f"{_name(arrays, path)}.npy"
            return _checked(samples, arrays.get("labels"), stored, path)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _checked(loaded, None, path, path)
        with loaded as archive:
            samples = _samples(archive, path)
            labels = archive["labels"] if "labels" in archive.files else None
    stored = scratch / "samples.npy"
    np.save(stored, samples)
    return _checked(samples, labels, stored, path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.exists():
        raise InputError(f"--data {path}: there is no such file or folder.")
    try:
        yield
    except (ValueError, EOFError, BadZipFile) as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"--data {path}: an array in it holds Python objects, which are never loaded. Save "
                'numbers or text: labels.astype("int64"), labels.astype(str).'
            ) from error
        raise InputError(
            f"--data {path}: cannot be read: {error}. Give an .npz with 'images', or 'values' of "
            "other data, and perhaps 'labels', an .npy, a folder with images.npy, or a folder of "
            "pictures."
        ) from error


def _name(arrays: Mapping[str, Array], path: Path) -> str:
    for name in NAMES:
        if name in arrays:
            return name
    held = ", ".join(sorted(arrays)) or "nothing"
    raise InputError(f"--data {path}: no array 'images' or 'values' in it; it holds {held}.")


def _samples(arrays: Mapping[str, Array], path: Path) -> Array:
    return arrays[_name(arrays, path)]


def _checked(samples: Array, labels: Array | None, stored: Path, path: Path) -> LabelledSamples:
    if samples.ndim == 0 or len(samples) == 0:
        raise InputError(f"--data {path}: {EMPTY}; give at least one.")
    if samples.dtype.kind not in "fiub":
        raise InputError(f"--data {path}: the samples are {samples.dtype}, and must be numbers.")
    if labels is not None and (labels.shape != (len(samples),) or labels.dtype.kind not in "iu"):
        raise InputError(
            f"--data {path}: 'labels' is {labels.dtype} {list(labels.shape)}, and must be one "
            f"whole number for each of the {len(samples)} samples{_mended(labels, len(samples))}."
        )
    return LabelledSamples(
        path=stored,
        shape=tuple(samples.shape[1:]),
        dtype=samples.dtype,
        count=len(samples),
        labels=None if labels is None else np.asarray(labels, np.int64),
        source=path.name,
    )


def _mended(labels: Array, count: int) -> str:
    """Return the line of Python that repairs the labels; "" where it is not known."""
    line = None
    if labels.shape == (count,):
        line = _whole(labels)
    elif labels.size == count:
        line = "labels.reshape(-1)"
    elif labels.ndim == 2 and len(labels) == count and labels.dtype.kind in "fiub":
        line = "labels.argmax(axis=1)" if np.all(np.count_nonzero(labels, axis=1) == 1) else None
    return "" if line is None else f": labels = {line}"


def _whole(labels: Array) -> str | None:
    if labels.dtype.kind in "SU":
        return "np.unique(labels, return_inverse=True)[1], where the model's classes are sorted"
    is_whole = labels.dtype.kind == "b" or (
        labels.dtype.kind == "f" and bool(np.all(labels == np.floor(labels)))
    )
    return 'labels.astype("int64")' if is_whole else None
