"""Decodes all pictures of a data set once, in parallel, into a folder of the cache.

The three files of `cached` only grow, and the line of a chunk comes last. A work folder that a kill
left is cut back to the chunks whose checksum is right, and goes on from there. One rename publishes
it.
"""

import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from pipeline.datasets.audit.pictures import PictureFacts
from pipeline.datasets.files.index import UNREADABLE
from pipeline.datasets.files.storage import cache_folder, explained, require_room
from pipeline.datasets.folder.cached import (
    CANVASES,
    FACTS,
    IMAGES,
    Cache,
    Line,
    complete,
    lines,
    stored_bytes,
)
from pipeline.datasets.folder.form import Developed, Form
from pipeline.datasets.folder.pictures import PICTURES
from targets.ahead import ahead
from targets.devices.cpus import available_cpus
from targets.errors import InputError, printable
from targets.files.file_lock import waiting_lock
from targets.images.progress import progress
from targets.images.silence import without_warnings

CHUNK = 32
"""Files whose pictures are written together."""

Files = Mapping[str, str]
"""Digest -> path of a file with these contents, in the order of the rows."""


def prepared(files: Files, form: Form, *, verify: bool) -> Cache:
    """The pictures of these files in this form, found in the cache or made."""
    folder = cache_folder(PICTURES.cache) / form.key(files)
    if not verify and (found := complete(folder, len(files))):
        return found
    work = folder.with_suffix(".work")
    try:
        with waiting_lock(folder.with_suffix(".lock"), on_wait=_say_who_decodes):
            if not verify and (found := complete(folder, len(files))):  # made by another run
                return found
            if folder.is_dir():  # to be verified, or incomplete
                os.replace(folder, work)
            _make(files, form, work)
            os.replace(work, folder)
            return Cache(folder)
    except OSError as error:
        raise explained(error, folder.parent, needed=_bytes(work, files, form)) from error


def _say_who_decodes() -> None:
    print("Another run decodes these pictures; this one waits for it.", file=sys.stderr)


def _make(files: Files, form: Form, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    require_room(work, len(files) * int(np.prod(form.image)) - _size(work))
    with without_warnings(), Roll(work, len(files), form) as roll:
        left = list(files.items())[roll.rows :]
        with progress("decoding", len(files), done=roll.rows) as bar:
            for chunk in _developed(left, form):
                roll.append(chunk)
                bar(len(chunk))


def _developed(files: list[tuple[str, str]], form: Form) -> Iterator[list[Developed]]:
    """The chunks in order; a few are in memory, however many there are."""

    def one(start: int) -> list[Developed]:
        chunk = files[start : start + CHUNK]
        return [_checked(digest, path, form) for digest, path in chunk]

    for made, _ in ahead(one, range(0, len(files), CHUNK), threads=len(available_cpus())):
        yield made.result()


def _checked(digest: str, path: str, form: Form) -> Developed:
    if digest.startswith(UNREADABLE):  # not opened: a pipe would never end
        return Developed(sha256=digest, facts=PictureFacts(error=digest.removeprefix(UNREADABLE)))
    made = form.develop(Path(path))
    if made.sha256 != digest:
        raise InputError(
            f"data set folder: {printable(path)} changed while it was read. Run the same command "
            "again; if it did not change, with --set dataset.verify=true."
        )
    return made


class Roll:
    """The three files while they grow."""

    def __init__(self, work: Path, total: int, form: Form) -> None:
        self._form, self.rows = form, 0
        self._images, self._canvases, self._lines = (
            _growing(work / name) for name in (IMAGES, CANVASES, FACTS)
        )
        header = {"descr": "|u1", "fortran_order": False, "shape": (total, *form.image)}
        np.lib.format.write_array_header_1_0(self._images, header)  # type: ignore[no-untyped-call]
        for line in list(lines(work / FACTS)):
            if not self._holds(line):
                break
        for file in (self._images, self._canvases, self._lines):
            file.truncate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in (self._images, self._canvases, self._lines):
            if kind is None:
                os.fsync(file.fileno())
            file.close()

    def _holds(self, line: Line) -> bool:
        """Whether the chunk is there, unchanged; the files are then behind it, and else before."""
        images, canvases = self._images.tell(), self._canvases.tell()
        row = int(np.prod(self._form.image))
        size = int(stored_bytes(line.canvases, self._form.image[2]).sum())
        crc = zlib.crc32(self._images.read(row * len(line.facts)))
        if zlib.crc32(self._canvases.read(size), crc) != line.crc:
            self._images.seek(images)
            self._canvases.seek(canvases)
            return False
        self._lines.seek(len(line.encoded()), os.SEEK_CUR)
        self.rows += len(line.facts)
        return True

    def append(self, chunk: list[Developed]) -> None:
        blank = np.zeros(self._form.image, np.uint8)
        images = b"".join((blank if made.image is None else made.image).tobytes() for made in chunk)
        canvases = b"".join(
            made.canvas.tobytes() + made.thumbnail for made in chunk if made.canvas is not None
        )
        line = Line(
            facts=tuple(made.facts for made in chunk),
            canvases=tuple(_sides(made) for made in chunk),
            crc=zlib.crc32(canvases, zlib.crc32(images)),
        )
        _write(self._images, images)
        _write(self._canvases, canvases)
        _write(self._lines, line.encoded())
        self.rows += len(chunk)


def _sides(made: Developed) -> tuple[int, int]:
    return (0, 0) if made.canvas is None else (made.canvas.shape[0], made.canvas.shape[1])


def _growing(path: Path) -> BinaryIO:
    path.touch()
    return path.open("r+b", buffering=0)  # a write that returned survives the process


def _write(file: BinaryIO, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _size(work: Path) -> int:
    return sum(file.stat().st_size for file in work.iterdir()) if work.is_dir() else 0


def _bytes(work: Path, files: Files, form: Form) -> int:
    """What all pictures will need, from what the first of them do."""
    done = sum(len(line.facts) for line in lines(work / FACTS)) if (work / FACTS).is_file() else 0
    return _size(work) * len(files) // done if done else 2 * len(files) * int(np.prod(form.image))
