"""The cache folders of decoded files, one for each kind."""

import errno
import os
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile

from pipeline.engine import code
from targets.errors import InputError

VARIABLE = "PIPELINE_CACHE"


def cache_folder(name: str) -> Path:
    """`name` is `FileKind.cache`."""
    from platformdirs import user_cache_path

    given = os.environ.get(VARIABLE)
    return (Path(given) if given else user_cache_path("edge-distill")) / name


def made_by(*modules: str, libraries: Sequence[str]) -> str:
    """The code behind modules, and the versions of the libraries that decide what it makes.

    A part of the name of what it makes. A library that is not installed has no version.
    """
    return repr((code.behind(*modules).modules, [_version(name) for name in libraries]))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


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
        raise explained(error, path.parent, needed=len(content)) from error


def explained(error: OSError, folder: Path, *, needed: int) -> InputError:
    """What writing into a folder of the cache raised; `needed` is in bytes."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(folder, needed)
    return InputError(
        f"the cache folder {folder} cannot be written: {error.strerror or error}. Set "
        f"{VARIABLE} to a folder that can be."
    )


def require_room(work: Path, needed: int) -> None:
    """`work` lies in the folder of the cache."""
    if shutil.disk_usage(work).free < needed:
        raise full(work.parent, needed)


def full(folder: Path, needed: int) -> InputError:
    return InputError(
        f"the cache folder {folder} is on a full disk: the decoded files need "
        f"{needed:,} bytes. Make room, or set {VARIABLE} to a folder on another disk."
    )
