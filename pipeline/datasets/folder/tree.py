"""The files below a folder that may be pictures."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.image_files import SUFFIXES
from targets.errors import InputError, printable

SYSTEM = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
"""What operating systems leave in a folder; hidden names begin with a dot."""

TABLES = {".csv", ".tsv", ".parquet"}

OTHERS = {
    *TABLES, ".txt", ".json", ".jsonl", ".xml", ".md", ".html", ".htm", ".yaml", ".yml", ".toml",
    ".ini", ".log", ".py", ".ipynb", ".npy", ".npz", ".pkl", ".h5", ".pdf", ".zip", ".gz", ".tar",
    ".mp4", ".mov", ".avi", ".wav", ".mp3", ".db", ".sh", ".cfg", ".doc", ".docx", ".xls", ".xlsx",
}  # fmt: skip
"""Suffixes of files that are not opened to see whether they are pictures."""

MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Sorted paths relative to the root, with slashes."""

    pictures: tuple[str, ...]
    folders: tuple[str, ...]
    tables: tuple[str, ...]
    """Tables directly in the root."""
    others: int
    """Number of further files."""


def tree(root: Path) -> Tree:
    """All that lies below `root`. Raises `InputError` for loops and what cannot be listed."""
    pictures: list[str] = []
    folders: list[str] = []
    tables: list[str] = []
    others = 0
    for place, inner, names in os.walk(root, followlinks=True, onerror=_cannot_list):
        inner[:] = sorted(name for name in inner if not _ignored(name))
        _require_no_loop(place, inner)
        within = Path(place).relative_to(root).as_posix()
        below = "" if within == "." else f"{within}/"
        folders += [below + name for name in inner]
        for name in filter(lambda name: not _ignored(name), names):
            suffix = f".{name.rpartition('.')[2]}".lower()
            if suffix in SUFFIXES or (suffix not in OTHERS and _sniffed(Path(place, name))):
                pictures.append(below + name)
            elif suffix in TABLES and not below:
                tables.append(name)
            else:
                others += 1
    return Tree(
        pictures=tuple(sorted(pictures)),
        folders=tuple(sorted(folders)),
        tables=tuple(sorted(tables)),
        others=others,
    )


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM


def _sniffed(path: Path) -> bool:
    """Whether a file without a known suffix begins as a picture does."""
    if not path.is_file():  # a pipe would never end
        return False
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head.startswith(MAGIC) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def _require_no_loop(place: str, inner: list[str]) -> None:
    for name in inner:
        path = Path(place, name)
        if path.is_symlink() and Path(place).resolve().is_relative_to(path.resolve()):
            raise InputError(
                f"data set folder: {printable(str(path))} is a symbolic link to a folder that it "
                "lies in, so the pictures in it would never end. Remove the link."
            )


def _cannot_list(error: OSError) -> NoReturn:
    raise InputError(
        f"data set folder: {printable(str(error.filename))} cannot be listed: {error.strerror}. "
        "Give a folder that you may read, with --data."
    ) from error
