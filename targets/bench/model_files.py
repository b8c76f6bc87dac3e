"""A model is all of its files: a format may keep weights in files beside the one that is named."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from targets.devices.contract import Link
from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.formats import FORMATS, format_of


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
        """Digest of the file; of several, of the sorted list of their digests, one a line:
        `sha256sum FILE… | cut -c1-64 | sort | sha256sum`.
        """
        digests = sorted(file_sha256(path) for path in self.all)
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("".join(f"{one}\n" for one in digests).encode()).hexdigest()


def files_of(path: Path) -> ModelFiles:
    """Return a model's files; raise `InputError` for one that is missing or outside its folder."""
    names = FORMATS[format_of(path)].external_files(path)
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{path}: keeps weights in '{name}', outside of its folder, from where nothing is "
                "read. Write it again with its weights beside it."
            )
        if not (path.parent / name).is_file():
            raise InputError(
                f"{path}: keeps its weights in {path.parent / name}, and there is no such file. "
                "Put it there: a model file and its weights are moved together."
            )
    return ModelFiles(path=path, beside=tuple(names))


def push(link: Link, model: ModelFiles) -> str:
    """Copy all files of the model to a device, into one folder; the path of `model.path` there."""
    if not model.beside:
        return link.push(model.path)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        for name, path in zip((model.path.name, *model.beside), model.all, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(path.absolute())
        return f"{link.push(folder)}/{model.path.name}"
