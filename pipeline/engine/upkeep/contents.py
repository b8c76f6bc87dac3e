"""What a store holds: results by stage, unfinished work, and what kills left."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from pipeline.engine.store import WORK, abandoned
from targets.errors import InputError, printable

Kind = Literal["result", "unfinished", "leftover", "pictures", "sounds"]
FOLDER = re.compile(r"([a-z_]+)-[0-9a-f]{16}")
"""Name of a result. Whatever else is in the folder of a store is not ours, and never touched."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    path: Path
    kind: Kind
    stage: str = ""
    """Of a result and of unfinished work."""
    size_bytes: int
    changed: float
    """Seconds since 1970, by the clock of its time: the newest time of its files."""


def require_store(root: Path) -> None:
    if not root.is_dir():
        raise InputError(
            f"{printable(str(root))}: no store there. Give the folder with --store, or the folder "
            "of results that has one with --out."
        )


def results(root: Path) -> list[Entry]:
    return list(_by_stage(root, "result"))


def unfinished(root: Path) -> list[Entry]:
    """Work folders of stages that run now, or were interrupted."""
    return list(_by_stage(root / WORK, "unfinished"))


def leftovers(root: Path, out: Path) -> list[Entry]:
    """Hidden folders that kills left in the store, or beside results folders in `out`."""
    places = dict.fromkeys((root.absolute(), (root / WORK).absolute(), out.absolute()))
    return [entry(left, "leftover") for place in places for left in abandoned(place, "*")]


def entry(path: Path, kind: Kind, stage: str = "") -> Entry:
    found = list(_statuses(path))
    return Entry(
        path=path,
        kind=kind,
        stage=stage,
        size_bytes=sum(one.st_size for one in found if not stat.S_ISDIR(one.st_mode)),
        changed=max((one.st_mtime for one in found), default=0.0),
    )


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """Without those of files that a run removes just now."""
    walked = os.walk(path)
    inside = (Path(place, name) for place, *several in walked for name in chain(*several))
    for one in (path, *inside):
        with suppress(FileNotFoundError):
            yield one.lstat()


def _by_stage(place: Path, kind: Kind) -> Iterator[Entry]:
    for path in sorted(place.glob("*-*")):
        found = FOLDER.fullmatch(path.name)
        if found and path.suffix != ".lock":
            yield entry(path, kind, found[1])
