"""The files below a folder that may be of a kind."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.files.kind import FileKind
from targets.errors import InputError, printable

SYSTEM = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
"""What operating systems leave in a folder; hidden names begin with a dot."""

TABLES = {".csv", ".tsv", ".parquet"}


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Sorted paths relative to the root, with slashes."""

    kind: FileKind
    files: tuple[str, ...]
    """Those that may be of the kind."""
    folders: tuple[str, ...]
    tables: tuple[str, ...]
    """Tables directly in the root."""
    others: tuple[str, ...]
    """Further files."""


def tree(root: Path, kind: FileKind) -> Tree:
    """All that lies below `root`. Raises `InputError` for loops and what cannot be listed."""
    files: list[str] = []
    folders: list[str] = []
    tables: list[str] = []
    others: list[str] = []
    for place, inner, names in os.walk(root, followlinks=True, onerror=partial(_cannot_list, kind)):
        inner[:] = sorted(name for name in inner if not _ignored(name))
        _require_no_loop(place, inner, kind)
        within = Path(place).relative_to(root).as_posix()
        below = "" if within == "." else f"{within}/"
        folders += [below + name for name in inner]
        for name in filter(lambda name: not _ignored(name), names):
            if kind.may_be(Path(place, name)):
                files.append(below + name)
            elif Path(name).suffix.lower() in TABLES and not below:
                tables.append(name)
            else:
                others.append(below + name)
    return Tree(
        kind=kind,
        files=tuple(sorted(files)),
        folders=tuple(sorted(folders)),
        tables=tuple(sorted(tables)),
        others=tuple(sorted(others)),
    )


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM


def _require_no_loop(place: str, inner: list[str], kind: FileKind) -> None:
    for name in inner:
        path = Path(place, name)
        if path.is_symlink() and Path(place).resolve().is_relative_to(path.resolve()):
            raise InputError(
                f"{kind.place}: {printable(str(path))} is a symbolic link to a folder that it lies "
                f"in, so the {kind.many} in it would never end. Remove the link."
            )


def _cannot_list(kind: FileKind, error: OSError) -> NoReturn:
    raise InputError(
        f"{kind.place}: {printable(str(error.filename))} cannot be listed: {error.strerror}. "
        "Give a folder that you may read, with --data."
    ) from error
