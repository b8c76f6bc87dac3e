"""Logits that you computed yourself, in an `.npz` keyed to the split; any framework will do.

With `net` a PyTorch module in evaluation mode (for another framework only the first line differs):

    network = lambda images: net(torch.tensor(images).permute(0, 3, 1, 2) / 255).detach().numpy()
    from pipeline import datasets
    from pipeline.recipe.load import load
    from pipeline.teachers.logits_file import save_logits
    data = datasets.load(load("mine.toml").dataset)
    logits = {part.value: network(samples.raw) for part, samples in data.splits.items()}
    save_logits("teacher.npz", data=data, **logits)

Raw are raw uint8 [n, height, width, channels], logits [n, classes]. The logits belong to the
unchanged images: augmentation needs a network.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Split
from pipeline.teachers.contract import Logits, OpenTeacher, TeacherFileConfig
from pipeline.teachers.matching import is_raw, make_adapter
from pipeline.training.augmentation import VIEWS
from targets.errors import InputError
from targets.formats.model_io import ModelIO

SUFFIXES = (".npz",)
FOLDER_MARKERS = ()
KEY = "split_sha256"
READ_AT_ONCE = 1024
"""Raw: memory-mapped ones are never all in memory."""

Arrays = dict[str, npt.NDArray[np.generic]]


def open_file(path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int) -> OpenTeacher:
    """Open the file; `threads` has no effect: nothing is computed."""
    if not is_raw(cfg):
        raise InputError(
            f"teacher {path}: holds logits, for which no input is scaled; leave out "
            "teacher.scale and teacher.offset."
        )
    arrays = _read(path)
    _require_same_split(arrays, data, path)
    for part in (Split.TRAIN, Split.VAL):
        if part.value not in arrays:
            raise InputError(f"teacher {path}: no array '{part}' in it. {_remedy()}")
    adapter = make_adapter(data.input.shape, cfg, data, path)
    splits = {
        part: _logits(arrays[part.value], adapter, data, part, path)
        for part in Split
        if part.value in arrays
    }
    return OpenTeacher(
        kind="logits", path=path, logits=_by_sample(splits, data, path), cfg=cfg, splits=splits
    )


def save_logits(
    path: Path | str,
    *,
    data: Dataset,
    train: npt.ArrayLike,
    val: npt.ArrayLike,
    test: npt.ArrayLike | None = None,
) -> None:
    """Write the logits [n, classes] of each split's images, in the order of `data[split]`.

    Without `test` the teacher's accuracy on the test split is null in the report.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"teacher {path}: the name must end in .npz, the suffix of logits.")
    arrays = {"train": train, "val": val} | ({} if test is None else {"test": test})
    checked = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in checked.items():
        _check(array, data, Split(name), path)
    np.savez(path, **checked, split_sha256=np.array(split_sha256(data)))


def split_sha256(data: Dataset) -> str:
    """Return one digest over the images and labels of all three splits, in their order."""
    digest = hashlib.sha256()
    for part in Split:
        samples = data[part]
        digest.update(f"{part} {samples.raw.shape}".encode())
        for start in range(0, len(samples), READ_AT_ONCE):
            images = samples.raw[start : start + READ_AT_ONCE]
            digest.update(np.ascontiguousarray(images).data)
        digest.update(np.ascontiguousarray(samples.labels, dtype="<i8").data)
    return digest.hexdigest()


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except ValueError as error:
        if "allow_pickle" in str(error) or "pickle" in str(error):
            raise InputError(
                f"teacher {path}: holds Python objects, which would run code when read. {_remedy()}"
            ) from error
        raise _unreadable(path, error) from error
    except (OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"teacher {path}: cannot be read as .npz: {error or type(error).__name__}. {_remedy()}"
    )


def _require_same_split(arrays: Arrays, data: Dataset, path: Path) -> None:
    expected, found = split_sha256(data), str(arrays.get(KEY, "none"))
    if found != expected:
        raise InputError(
            f"teacher {path}: computed for another split ({KEY} {found[:12]}, this one is "
            f"{expected[:12]}): other data, or another dataset.split_seed, validation or test. "
            f"{_remedy()}"
        )


def _logits(
    array: npt.NDArray[np.generic], adapter: ModelIO, data: Dataset, part: Split, path: Path
) -> Logits:
    _check(array, data, part, path)
    return adapter.logits(array)


def _check(array: npt.NDArray[np.generic], data: Dataset, part: Split, path: Path) -> None:
    expected = (len(data[part]), len(data.classes))
    if array.shape != expected or not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"teacher {path}: '{part}' must be floats {list(expected)}, one row per "
            f"{data.words.one} and one "
            f"column per class, not {array.dtype} {list(array.shape)}."
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise InputError(
            f"teacher {path}: '{part}' holds NaN or infinity in {int(bad.sum())} of {len(bad)} "
            f"rows, first in row {int(bad.argmax())}."
        )


def _by_sample(splits: dict[Split, Logits], data: Dataset, path: Path) -> Callable[[Raw], Logits]:
    """A function of raw samples, each an unchanged one of a split."""

    @cache
    def rows() -> dict[bytes, Logits]:
        return {
            _name(sample): row
            for part, logits in splits.items()
            for sample, row in zip(data[part].raw, logits, strict=True)
        }

    many, plain = data.words.many, VIEWS[data.input.kind].Settings().to_plain()
    remedy = "".join(f"set {line}, " for line in plain)

    def logits(raw: Raw) -> Logits:
        known = rows()
        found = [known.get(_name(sample)) for sample in raw]
        missing = sum(row is None for row in found)
        if missing:
            raise InputError(
                f"teacher {path}: has no logits for {missing} of {len(raw)} {many}. They belong "
                f"to the unchanged {many}: {remedy}leave the other keys of [augmentation] out, or "
                "give the network itself."
            )
        return np.stack([row for row in found if row is not None])

    return logits


def _name(sample: Raw) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(sample).data, digest_size=16).digest()


def _remedy() -> str:
    return "Write it with pipeline.teachers.logits_file.save_logits."
