"""Decoded files in the user's cache folders: a copy for each form and each change of a file."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.files.storage import cache_folder
from pipeline.datasets.folder.cached import CANVASES, FACTS, IMAGES
from pipeline.datasets.folder.pictures import PICTURES
from pipeline.datasets.sounds import cache as sounds
from pipeline.datasets.sounds.clips import SOUNDS
from pipeline.engine.store import OLD, RANDOM
from pipeline.engine.upkeep.cleaning import Removal, remove
from pipeline.engine.upkeep.contents import Entry, Kind, entry
from targets.files.file_lock import free_lock

NAME = re.compile(r"[0-9a-f]{64}(\.work)?")


class Copy(NamedTuple):
    holds: Kind
    files: frozenset[str]
    """Their names."""


KINDS: Mapping[FileKind, Copy] = MappingProxyType(
    {
        PICTURES: Copy("pictures", frozenset({IMAGES, CANVASES, FACTS})),
        SOUNDS: Copy("sounds", frozenset({sounds.WAVEFORMS, sounds.FACTS})),
    }
)


def copies(kind: FileKind) -> list[Entry]:
    """Only what has the name and the files of a copy: the folder may hold the user's own files."""
    return [entry(path, KINDS[kind].holds) for path in _copies(kind)]


def _copies(kind: FileKind) -> Iterator[Path]:
    for path in sorted(cache_folder(kind.cache).glob("*")):
        named = NAME.fullmatch(path.name) and path.is_dir()
        if named and {one.name for one in path.iterdir()} <= KINDS[kind].files:
            yield path


def removals(*, since: float) -> list[Removal]:
    """The copies that no run has read since, where the file system keeps the time of reading."""
    return [removal for kind in KINDS for removal in _removals(kind, since)]


def _removals(kind: FileKind, since: float) -> list[Removal]:
    unread = [
        Removal(entry=one, reason=f"decoded {kind.many}, not read since")
        for one in copies(kind)
        if max(one.changed, _read(one.path)) < since
    ]
    left = sorted(cache_folder(kind.cache).glob(f".{'[0-9a-f]' * 64}*.{RANDOM}{OLD}"))
    holds = KINDS[kind].holds
    return unread + [Removal(entry=entry(one, holds), reason="left by a kill") for one in left]


def _read(folder: Path) -> float:
    return max((file.stat().st_atime for file in folder.iterdir()), default=0.0)


def clean(removed: list[Removal]) -> list[Removal]:
    """Remove the copies that no run makes just now, and return them. A run that reads one has its
    files open, and keeps them."""
    gone = []
    for one in removed:
        with free_lock(one.entry.path.with_suffix(".lock")) as free:
            if free:
                remove(one.entry.path)
                gone.append(one)
    return gone
