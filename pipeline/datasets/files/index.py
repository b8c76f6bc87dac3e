"""The sha256 of every file, remembered by size and time, so that unchanged files are not read."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.files.storage import cache_folder, write
from targets.ahead import ahead
from targets.devices.cpus import available_cpus
from targets.files.digest import file_sha256
from targets.images.progress import progress

RACY_NS = 2_000_000_000
"""Resolution of the coarsest clock of a file system (FAT): a file that is younger than the index by
less than that can have changed again unnoticed, and is read again (git's "racy" entries)."""

Stamp = tuple[int, int, int]
"""Size in bytes, times of the last change of contents and of the entry in ns."""

UNREADABLE = "!"
"""Begins the reason that stands in place of a digest."""


def digests(root: Path, paths: Iterable[str], kind: FileKind, *, verify: bool = False) -> list[str]:
    """The sha256 of each file, or `UNREADABLE` and why. With `verify`, every file is read."""
    begun = time.time_ns()
    name = hashlib.sha256(bytes(root.resolve())).hexdigest()
    place = cache_folder(kind.cache) / "index" / f"{name}.jsonl"
    known = {} if verify else _known(place)
    stamps = {path: _stamp(f"{root}/{path}") for path in paths}
    made = {
        path: known[path][1]
        for path, stamp in stamps.items()
        if path in known and known[path][0] == stamp
    }
    fresh = [path for path in stamps if path not in made]
    if fresh:
        made.update(zip(fresh, _hashed(root, fresh, stamps, kind), strict=True))
        settled = (
            json.dumps([path, *stamp, made[path]]).encode() + b"\n"
            for path, stamp in stamps.items()
            if isinstance(stamp, tuple) and max(stamp[1:]) < begun - RACY_NS
        )
        write(place, b"".join(settled))
    return [made[path] for path in stamps]


def _known(place: Path) -> dict[str, tuple[Stamp, str]]:
    with suppress(OSError, ValueError, TypeError), place.open("rb") as file:
        read = map(json.loads, file)  # line by line: of the whole file, it takes twice the memory
        return {path: ((size, *times), digest) for path, size, *times, digest in read}
    return {}


def _stamp(path: str) -> Stamp | str:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        return UNREADABLE + (error.strerror or str(error))
    if not S_ISREG(status.st_mode):
        return f"{UNREADABLE}not a regular file"
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _hashed(
    root: Path, paths: list[str], stamps: Mapping[str, Stamp | str], kind: FileKind
) -> Iterator[str]:
    def one(path: str) -> str:
        stamp = stamps[path]
        try:
            return stamp if isinstance(stamp, str) else file_sha256(root / path)
        except OSError as error:
            return UNREADABLE + (error.strerror or str(error))

    with progress("reading", len(paths), noun=kind.many) as done:
        for digest, _ in ahead(one, paths, threads=len(available_cpus())):
            yield digest.result()
            done(1)
