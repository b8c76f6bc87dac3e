"""A file of results that appears as a whole, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from targets.errors import InputError


@contextmanager
def published(path: Path, *, remedy: str) -> Iterator[Path]:
    """A path beside `path`; the file that the block writes there replaces `path` by one rename.

    The folder is made. A block that raises leaves `path` as it was. An `OSError` becomes an
    `InputError` that ends with `remedy`.
    """
    if not path.name:
        raise InputError(f"{path}: is no name of a file. {remedy}")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}. {remedy}") from error
    finally:
        with suppress(OSError):  # its name can be what was wrong
            part.unlink(missing_ok=True)
