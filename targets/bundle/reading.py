"""A bundle from anywhere as plain files in a folder of our own, and what they describe.

Nothing here is executed, and nothing is written outside of that folder. `VerificationError` is the
only answer to a hostile bundle, `InputError` to what is no bundle at all.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from targets.bundle import container
from targets.bundle.container import MalformedError
from targets.bundle.files import MOST_BYTES, MOST_FILES, files_of, require
from targets.bundle.schema import NAME, SUMS, Bundle, BundledModel, Sample
from targets.errors import InputError, VerificationError, printable
from targets.files.digest import file_sha256
from targets.formats import format_of, sidecar
from targets.formats.metadata import FileMetadata
from targets.formats.sidecar import Sidecar
from targets.texts import tokenizer

T = TypeVar("T")
MOST_JSON = 2**24
"""Bytes of a document: 100 times what 10,000 samples take."""
SAMPLES = (".png", ".npy")


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the files of a bundle say, and agree on."""

    bundle: Bundle
    sidecars: dict[str, Sidecar]
    """By the path of the model file."""

    def metadata(self, model: BundledModel) -> FileMetadata:
        """What the file says of itself, if the bundle is right; its license is not in a schema."""
        found = self.sidecars[model.file]
        return FileMetadata(
            name=self.bundle.name,
            version=self.bundle.version,
            license=None,
            labels=found.classes,
            input=found.input,
            preprocessing=found.preprocessing,
            tokenizer=found.tokenizer,
            measured_sha256=model.measured_sha256,
        )


def unpack(bundle: Path, folder: Path) -> dict[str, Path]:
    """The files of `bundle`, a zip or an unpacked folder, in `folder`, which is empty."""
    if bundle.is_dir() and ((bundle / NAME).exists() or (bundle / SUMS).exists()):
        for name, path in files_of(bundle, error=VerificationError).items():
            shutil.copyfile(path, _place(folder, name), follow_symlinks=False)
    else:
        with _opened(bundle) as file, _explained(bundle):
            entries = container.entries_of(file, most=MOST_FILES)
            require(((e.name, e.size) for e in entries), place=bundle, error=VerificationError)
            for entry in entries:
                with _place(folder, entry.name).open("xb") as out:
                    container.extract(file, entry, out)
    return files_of(folder, error=VerificationError)


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _opened(bundle: Path) -> Iterator[BinaryIO]:
    if not bundle.is_file():
        what = "is a folder without bundle.json" if bundle.is_dir() else "is no file"
        raise InputError(f"{bundle}: {what}. Give the .zip of `pipeline package`, or its folder.")
    try:
        file = bundle.open("rb")
    except OSError as error:
        raise InputError(
            f"{bundle}: cannot be read: {error.strerror}. Make it readable."
        ) from error
    with file:
        head, size = file.read(4), file.seek(0, 2)
        file.seek(max(0, size - container.END.size))
        # Either is enough, so that no single byte makes a bundle pass for another file.
        if head != container.LOCAL_SIGNATURE and container.END_SIGNATURE not in file.read():
            raise InputError(f"{bundle}: is no zip. Give the .zip of `pipeline package`.")
        if size > 2 * MOST_BYTES:
            raise VerificationError(f"{bundle}: has {size:,} bytes, more than any bundle.")
        yield file


@contextmanager
def _explained(bundle: Path) -> Iterator[None]:
    try:
        yield
    except MalformedError as error:
        raise VerificationError(
            f"{bundle}: is not as `pipeline package` wrote it: {printable(str(error))}. It was "
            "changed, cut off or packed by another program: get it again from its maker."
        ) from error


def contents(files: dict[str, Path]) -> Contents:
    """What `bundle.json` and the sidecars say, which must agree with the files."""
    bundle = _parsed(files)
    names = [model.file for model in bundle.models]
    _need(len(set(names)) == len(names), "models: lists a file twice")
    _need(bundle.recommended in names, f"recommended: {bundle.recommended} is none of its models")
    sidecars = {model.file: _sidecar(model, files) for model in bundle.models}
    for sample in bundle.samples:
        _require_sample(sample, files, sidecars)
    return Contents(bundle=bundle, sidecars=sidecars)


def _parsed(files: dict[str, Path]) -> Bundle:
    _need(NAME in files, "is missing")
    _need(files[NAME].stat().st_size <= MOST_JSON, "is too large")
    try:
        return Bundle.model_validate_json(files[NAME].read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise _wrong(f"{key}: {first['msg']}" if key else first["msg"]) from error


def _sidecar(model: BundledModel, files: dict[str, Path]) -> Sidecar:
    beside = f"{model.file}.json"
    for name in (model.file, beside):
        _need(name in files, f"models: there is no file {name}")
    _need(file_sha256(files[model.file]) == model.sha256, f"models: {model.file}: another sha256")
    _need(files[beside].stat().st_size <= MOST_JSON, f"models: {beside} is too large")
    found = _ours(lambda: sidecar.read(files[model.file]))
    form = _ours(lambda: format_of(files[model.file]))
    assert found is not None  # it is in the list of files
    agrees = (found.name, found.format) == (model.name, form)
    _need(agrees, f"models: {model.file}: its sidecar is of {found.name}, {found.format}")
    _need(len(set(found.classes)) == len(found.classes) > 1, f"{beside}: classes: not unique")
    if (record := found.tokenizer) is not None:
        vocabulary = str(PurePosixPath(model.file).with_name(tokenizer.VOCABULARY))
        _need(vocabulary in files, f"models: there is no file {vocabulary}")
        _need(files[vocabulary].stat().st_size <= MOST_JSON, f"models: {vocabulary} is too large")
        _ours(lambda: tokenizer.read(files[model.file].parent, record))
    return found


def _ours(read: Callable[[], T]) -> T:
    """A reader whose files a user of other commands can repair, and here comes with them."""
    try:
        return read()
    except InputError as error:
        raise VerificationError(str(error)) from error


def _require_sample(sample: Sample, files: dict[str, Path], known: dict[str, Sidecar]) -> None:
    name = sample.file
    _need(name in files, f"samples: there is no file {name}")
    _need(name.endswith(SAMPLES), f"samples: {name} is no {' or '.join(SAMPLES)}")
    _need(bool(sample.predicted), f"samples: {name}: no class is recorded")
    for model, label in sample.predicted.items():
        _need(model in known, f"samples: {name}: {model} is none of its models")
        _need(label in known[model].classes, f"samples: {name}: {label} is no class of {model}")


def _need(agrees: bool, otherwise: str) -> None:
    if not agrees:
        raise _wrong(otherwise)


def _wrong(what: str) -> VerificationError:
    return VerificationError(f"{NAME}: {printable(what)}. The bundle does not agree with itself.")
