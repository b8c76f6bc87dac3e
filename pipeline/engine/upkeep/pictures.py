"""Decoded pictures in the user's cache folder: a copy for each size and each change of a file."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.files.storage import cache_folder
from pipeline.datasets.folder.cached import CANVASES, FACTS, IMAGES
from pipeline.datasets.folder.pictures import PICTURES
from pipeline.engine.store import OLD, RANDOM
from pipeline.engine.upkeep.cleaning import Removal, remove
from pipeline.engine.upkeep.contents import Entry, entry
from targets.files.file_lock import free_lock

NAME = re.compile(r"[0-9a-f]{64}(\.work)?")
FILES = {IMAGES, CANVASES, FACTS}


def copies() -> list[Entry]:
    """Only what has the name and the files of a copy: the folder may hold the user's photos."""
    return [entry(path, "pictures") for path in _copies(cache_folder(PICTURES.cache))]


def _copies(cache: Path) -> Iterator[Path]:
    for path in sorted(cache.glob("*")):
        named = NAME.fullmatch(path.name) and path.is_dir()
        if named and {one.name for one in path.iterdir()} <= FILES:
            yield path


def removals(*, since: float) -> list[Removal]:
    """The copies that no run has read since, where the file system keeps the time of reading."""
    unread = [
        Removal(entry=one, reason="decoded pictures, not read since")
        for one in copies()
        if max(one.changed, _read(one.path)) < since
    ]
    left = sorted(cache_folder(PICTURES.cache).glob(f".{'[0-9a-f]' * 64}*.{RANDOM}{OLD}"))
    return unread + [Removal(entry=entry(one, "pictures"), reason="left by a kill") for one in left]


def _read(folder: Path) -> float:
    return max((file.stat().st_atime for file in folder.iterdir()), default=0.0)


def clean(removed: list[Removal]) -> list[Removal]:
    """Remove the copies that no run decodes just now, and return them. A run that reads one has
    its files open, and keeps them."""
    gone = []
    for one in removed:
        with free_lock(one.entry.path.with_suffix(".lock")) as free:
            if free:
                remove(one.entry.path)
                gone.append(one)
    return gone
