"""The cache folder of decoded pictures."""

import errno
import os
import shutil
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile

from pipeline.engine import code
from targets.errors import InputError

VARIABLE = "PIPELINE_CACHE"


def user_cache() -> Path:
    from platformdirs import user_cache_path

    given = os.environ.get(VARIABLE)
    return Path(given) if given else user_cache_path("edge-distill")


def cache_folder() -> Path:
    return user_cache() / "photos"


def made_by(*modules: str) -> str:
    """The code behind modules, and the versions of the libraries that decide facts of pictures.

    A part of the name of what it makes. The hash of a picture is imagehash's, by scipy's DCT.
    """
    versions = [metadata.version(name) for name in ("pillow", "imagehash", "scipy")]
    return repr((code.behind(*modules).modules, versions))


def write(path: Path, content: bytes) -> None:
    """Replace a file by one rename."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                Path(file.name).unlink()
                raise
    except OSError as error:
        raise explained(error, needed=len(content)) from error


def explained(error: OSError, *, needed: int) -> InputError:
    """What writing into the cache raised; `needed` is in bytes."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(needed)
    return InputError(
        f"the cache folder {cache_folder()} cannot be written: {error.strerror or error}. Set "
        f"{VARIABLE} to a folder that can be."
    )


def require_room(place: Path, needed: int) -> None:
    if shutil.disk_usage(place).free < needed:
        raise full(needed)


def full(needed: int) -> InputError:
    return InputError(
        f"the cache folder {cache_folder()} is on a full disk: the decoded pictures need "
        f"{needed:,} bytes. Make room, or set {VARIABLE} to a folder on another disk."
    )
