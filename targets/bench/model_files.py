"""A model is all of its files: ONNX may keep its weights in files beside the one that is named.

`torch.onnx.export` writes it so by default since 2.9, and every exporter must above 2 GB.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from targets.devices.contract import Link
from targets.errors import InputError
from targets.formats.onnx.external_data import external_files


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    path: Path
    beside: tuple[str, ...] = ()
    """The other files, relative to the folder of `path`."""

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.path, *(self.path.parent / name for name in self.beside))

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.all)

    @property
    def sha256(self) -> str:
        """Of the file; of several, of the sorted list of their digests, one a line:
        `sha256sum FILE… | cut -c1-64 | sort | sha256sum`.
        """
        digests = sorted(_digest(path) for path in self.all)
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("".join(f"{one}\n" for one in digests).encode()).hexdigest()


def files_of(path: Path) -> ModelFiles:
    """Raises `InputError` for a file that is missing, or lies outside of the model's folder."""
    names = external_files(path) if path.suffix.lower() == ".onnx" else []
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{path}: keeps weights in '{name}', outside of its folder, from where nothing is "
                "read. Write it again with its weights beside it."
            )
        if not (path.parent / name).is_file():
            raise InputError(
                f"{path}: keeps its weights in {path.parent / name}, and there is no such file. "
                "Put it there: an ONNX file and its weights are moved together."
            )
    return ModelFiles(path=path, beside=tuple(names))


def push(link: Link, model: ModelFiles) -> str:
    """Bring all files of the model to a device, in one folder; where `model.path` is there."""
    if not model.beside:
        return link.push(model.path)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        for name, path in zip((model.path.name, *model.beside), model.all, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(path.absolute())
        return f"{link.push(folder)}/{model.path.name}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
