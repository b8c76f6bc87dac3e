"""A folder of decoded pictures: `images.npy`, `canvases.bin`, and a line of `pictures.jsonl` for
each chunk of files.

The files are read piece by piece, not memory-mapped: the pages of a map count as resident memory
until the system wants them back.
"""

import json
import os
import weakref
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.audit.pictures import PictureFacts
from pipeline.datasets.splits import Images
from targets.errors import InputError

IMAGES, CANVASES, PICTURES = "images.npy", "canvases.bin", "pictures.jsonl"

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One chunk: the facts of its files, [height, width] of their canvases, and the checksum of
    their images and canvases."""

    facts: tuple[PictureFacts, ...]
    canvases: tuple[tuple[int, int], ...]
    crc: int

    def encoded(self) -> bytes:
        facts = [
            {key: value for key, value in vars(fact).items() if value is not None}
            for fact in self.facts
        ]
        return json.dumps([facts, self.canvases, self.crc], default=_base64).encode() + b"\n"

    @classmethod
    def decoded(cls, line: bytes) -> "Line":
        facts, canvases, crc = json.loads(line)
        return cls(
            facts=tuple(_facts(**fact) for fact in facts),
            canvases=tuple((height, width) for height, width in canvases),
            crc=crc,
        )


def _base64(thumbnail: bytes) -> str:
    return b64encode(thumbnail).decode()


def _facts(thumbnail: str | None = None, **others: Any) -> PictureFacts:
    return PictureFacts(thumbnail=None if thumbnail is None else b64decode(thumbnail), **others)


def lines(path: Path) -> Iterator[Line]:
    """The lines up to the first that is broken: a kill cut it off."""
    with path.open("rb") as file, suppress(ValueError, TypeError):
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield Line.decoded(line)


class File:
    """Reads of a file at an offset, by any number of threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._number)

    def __reduce__(self) -> tuple[type["File"], tuple[Path]]:
        return File, (self.path,)

    def read_into(self, array: Images, offset: int) -> None:
        view, done = array.data.cast("B"), 0
        while done < len(view):
            count = os.preadv(self._number, [view[done:]], offset + done)
            if not count:
                raise InputError(
                    f"the cache file {self.path} ends too early. Make it again with --set "
                    "dataset.verify=true."
                )
            done += count


class Rows:
    """The images of `images.npy`; for `MappedImages` in place of an array."""

    def __init__(self, path: Path) -> None:
        self.shape, self.start = npy_header(path)
        self.dtype, self.ndim = np.dtype(np.uint8), len(self.shape)
        self._file, self._bytes = File(path), int(np.prod(self.shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: "Index | slice | int") -> Images:
        rows = np.arange(len(self))[key] if isinstance(key, slice) else np.asarray(key)
        made: Images = np.empty((rows.size, *self.shape[1:]), np.uint8)
        for image, row in zip(made, rows.ravel(), strict=True):
            self._file.read_into(image, self.start + int(row) * self._bytes)
        return made.reshape(*rows.shape, *self.shape[1:])


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
        file, found = File(folder / CANVASES), tuple(lines(folder / PICTURES))
        self.facts = tuple(fact for line in found for fact in line.facts)
        sides = np.array([sides for line in found for sides in line.canvases], np.int64)
        shapes = np.insert(sides.reshape(-1, 2), 2, self.images.shape[3], axis=1)
        ends = np.cumsum(shapes.prod(axis=1))
        starts = np.insert(ends, 0, 0)[:-1]
        self.canvases = Canvases(file, shapes, starts, np.arange(len(starts)))
        self.sizes = {
            IMAGES: self.images.start + int(np.prod(self.images.shape)),
            CANVASES: int(ends[-1]) if len(ends) else 0,
        }
        """Bytes that the files of arrays have."""


def complete(folder: Path, total: int) -> Cache | None:
    """The cache in `folder`, if all `total` files are in it and no file is too short."""
    try:
        found = Cache(folder)
        sizes = {name: (folder / name).stat().st_size for name in found.sizes}
    except (OSError, ValueError):
        return None
    whole = len(found.facts) == len(found.images) == total and sizes == found.sizes
    return found if whole else None


def npy_header(path: Path) -> tuple[tuple[int, ...], int]:
    """The shape, and the offset of the first row."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        shape, _, _ = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
        return shape, file.tell()
