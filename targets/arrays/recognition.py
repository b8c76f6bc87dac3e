"""Which files are taken for arrays, by their names and their first bytes."""

from pathlib import Path

SUFFIXES = (".npy", ".npz")
MAGIC = b"\x93NUMPY"


def may_be_arrays(path: Path) -> bool:
    """A link to nothing may be some, so that its reader reports it."""
    if not path.is_file() and path.exists():  # a pipe would never end
        return False
    return path.suffix.lower() in SUFFIXES


def begins_as_array(path: Path) -> bool:
    """Of an .npy, whatever its name is; an .npz begins as any zip file."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
