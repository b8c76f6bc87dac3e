"""A folder of decoded pictures: `images.npy`, `canvases.bin` (each with its thumbnail behind it),
and a line of `pictures.jsonl` for each chunk of files.

The files are read piece by piece; see `files.rows`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.audit.pictures import THUMBNAIL_BYTES, PictureFacts
from pipeline.datasets.files.rows import File, Rows
from pipeline.datasets.on_access import Images

IMAGES, CANVASES, FACTS = "images.npy", "canvases.bin", "pictures.jsonl"

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One chunk: the facts of its files without thumbnails, [height, width] of their canvases, and
    the checksum of their images, canvases and thumbnails."""

    facts: tuple[PictureFacts, ...]
    canvases: tuple[tuple[int, int], ...]
    crc: int

    def encoded(self) -> bytes:
        facts = [
            {key: value for key, value in fact.values().items() if value is not None}
            for fact in self.facts
        ]
        return json.dumps([facts, self.canvases, self.crc]).encode() + b"\n"

    @classmethod
    def decoded(cls, line: bytes) -> "Line":
        facts, canvases, crc = json.loads(line)
        return cls(
            facts=tuple(_facts(**fact) for fact in facts),
            canvases=tuple((height, width) for height, width in canvases),
            crc=crc,
        )


def _facts(**facts: Any) -> PictureFacts:
    words = {key: sys.intern(value) for key, value in facts.items() if isinstance(value, str)}
    return PictureFacts(**{**facts, **words})  # one `JPEG` in memory, not one for each file


def lines(path: Path) -> Iterator[Line]:
    """The lines up to the first that is broken: a kill cut it off."""
    with path.open("rb") as file, suppress(ValueError, TypeError):
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield Line.decoded(line)


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of a file, read when they are asked for: few thumbnails are ever compared."""

    file: File
    start: int
    size: int

    def __bytes__(self) -> bytes:
        made: Images = np.empty(self.size, np.uint8)
        self.file.read_into(made, self.start)
        return made.tobytes()


class Canvases:
    """The pictures of `canvases.bin`, selected by an index and read on access."""

    def __init__(self, file: File, shapes: Index, starts: Index, index: Index) -> None:
        """`shapes` is [pictures of the file, 3], `starts` their offsets in bytes."""
        self._file, self._shapes, self._starts, self.index = file, shapes, starts, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Images:
        row = self.index[number]
        made: Images = np.empty(tuple(self._shapes[row]), np.uint8)
        self._file.read_into(made, int(self._starts[row]))
        return made

    def pick(self, index: Index) -> "Canvases":
        return Canvases(self._file, self._shapes, self._starts, self.index[index])


class Cache:
    """A folder; the row of a file is its place among the files, sorted by digest.

    All files are opened at once: a run that verifies the folder moves it meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.images = Rows(folder / IMAGES)
        file, found = File(folder / CANVASES), tuple(lines(folder / FACTS))
        sides, channels = [sides for line in found for sides in line.canvases], self.images.shape[3]
        shapes = np.insert(np.reshape(sides, (-1, 2)).astype(np.int64), 2, channels, axis=1)
        ends = np.cumsum(stored_bytes(sides, channels))
        starts = np.insert(ends, 0, 0)[:-1]
        self.canvases = Canvases(file, shapes, starts, np.arange(len(starts)))
        facts = [fact for line in found for fact in line.facts]
        self.facts = tuple(
            replace(fact, thumbnail=Stored(file, end - THUMBNAIL_BYTES, THUMBNAIL_BYTES))
            if fact.error is None
            else fact
            for fact, end in zip(facts, ends.tolist(), strict=True)
        )
        self.sizes = {
            IMAGES: self.images.size_bytes,
            CANVASES: int(ends[-1]) if len(ends) else 0,
        }
        """Bytes that the files of arrays have."""


def stored_bytes(sides: Sequence[tuple[int, int]], channels: int) -> Index:
    """What each canvas, [height, width], takes with its thumbnail; nothing if there is none."""
    areas = np.reshape(sides, (-1, 2)).astype(np.int64).prod(axis=1)
    sizes: Index = channels * areas + (areas > 0) * THUMBNAIL_BYTES
    return sizes


def complete(folder: Path, total: int) -> Cache | None:
    """The cache in `folder`, if all `total` files are in it and no file is too short."""
    try:
        found = Cache(folder)
        sizes = {name: (folder / name).stat().st_size for name in found.sizes}
    except (OSError, ValueError):
        return None
    whole = len(found.facts) == len(found.images) == total and sizes == found.sizes
    return found if whole else None
