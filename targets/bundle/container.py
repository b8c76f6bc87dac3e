"""A zip in the one form that `pipeline package` writes: stored, sorted, without dates.

Names, sizes and checksums decide every byte of it, so that reading compares each header with the
only one possible. Python's zipfile is not used: what it writes may change with its version, and
what it forgives (gaps, overlaps, two different names of an entry) is what an attacker needs.
Format: PKWARE's APPNOTE 6.3.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO

LOCAL, CENTRAL, END = Struct("<4s5H3L2H"), Struct("<4s6H3L5H2L"), Struct("<4s4H2LH")
SIGNATURES = LOCAL_SIGNATURE, CENTRAL_SIGNATURE, END_SIGNATURE = b"PK\3\4", b"PK\1\2", b"PK\5\6"
VERSION, UNIX, UTF8, STORED, TIME, DATE = 20, 3 << 8, 0x800, 0, 0, (1 << 5) | 1
"""The date is the first of the format: 1980-01-01."""
PLAIN = 0o100644 << 16
"""Mode of every entry: a file, readable by all."""
MOST_NAME = 4096
CHUNK = 1 << 20


class MalformedError(Exception):
    """Why bytes are no zip of this form, in a few words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    name: str
    crc: int
    size: int
    offset: int

    @property
    def local(self) -> bytes:
        name = self.name.encode()
        head = LOCAL.pack(
            *(LOCAL_SIGNATURE, VERSION, UTF8, STORED, TIME, DATE),
            *(self.crc, self.size, self.size, len(name), 0),
        )
        return head + name

    @property
    def central(self) -> bytes:
        name = self.name.encode()
        head = CENTRAL.pack(
            *(CENTRAL_SIGNATURE, UNIX | VERSION, VERSION, UTF8, STORED, TIME, DATE),
            *(self.crc, self.size, self.size, len(name), 0, 0, 0, 0, PLAIN, self.offset),
        )
        return head + name

    @property
    def end(self) -> int:
        return self.offset + LOCAL.size + len(self.name.encode()) + self.size


def write(out: BinaryIO, files: dict[str, Path]) -> None:
    entries: list[Entry] = []
    for name, path in sorted(files.items()):
        with path.open("rb") as file:
            crc, size = _measured(file)
            entry = Entry(name=name, crc=crc, size=size, offset=out.tell())
            out.write(entry.local)
            file.seek(0)
            _copy(file, out, size)
        entries.append(entry)
    start = out.tell()
    for entry in entries:
        out.write(entry.central)
    out.write(_end(len(entries), start, out.tell() - start))


def entries_of(file: BinaryIO, *, most: int) -> list[Entry]:
    """The directory, of `most` entries at most. Raises `MalformedError`."""
    length = file.seek(0, 2)
    file.seek(max(0, length - END.size))
    tail = file.read()
    if len(tail) < END.size or not tail.startswith(END_SIGNATURE):
        raise MalformedError("it does not end with the record of a zip without a comment")
    _, _, _, _, count, size, start, _ = END.unpack(tail)
    if tail != _end(count, start, size) or start + size + END.size != length:
        raise MalformedError("its last record does not describe it")
    if not 0 < count <= most or size > count * (CENTRAL.size + MOST_NAME):
        raise MalformedError(f"its directory has {count:,} entries in {size:,} bytes")
    file.seek(start)
    entries = list(_directory(file.read(size), count))
    if entries[-1].end != start:
        raise MalformedError("there are bytes between its entries and its directory")
    return entries


def _directory(content: bytes, count: int) -> Iterator[Entry]:
    place = offset = 0
    name = ""
    for _ in range(count):
        if place + CENTRAL.size > len(content):
            raise MalformedError("its directory is cut off")
        head = CENTRAL.unpack_from(content, place)
        raw = content[place + CENTRAL.size : place + CENTRAL.size + head[10]]
        entry = Entry(name=_decoded(raw), crc=head[7], size=head[9], offset=offset)
        if why := _deviation(head, entry):
            raise MalformedError(f"{entry.name}: {why}")
        if entry.name <= name:
            raise MalformedError(f"{entry.name}: is out of order, or there twice")
        yield entry
        place, offset, name = place + len(entry.central), entry.end, entry.name
    if place != len(content):
        raise MalformedError("there are bytes behind its directory")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("it has a name that is no UTF-8") from error


FIELDS = (
    *("signature", "version of its writer", "version", "flags (encryption is one)"),
    *("compression", "time", "date", "checksum", "compressed size", "size", "length of the name"),
    *("extra field", "comment", "disk", "internal attributes", "mode (links are one)", "offset"),
)


def _deviation(head: tuple[object, ...], entry: Entry) -> str | None:
    """The first field that is not as this module writes it."""
    wanted = CENTRAL.unpack_from(entry.central)
    for field, have, want in zip(FIELDS, head, wanted, strict=True):
        if have != want:
            return f"its {field} is {have!r} and not {want!r}"
    return None


def extract(file: BinaryIO, entry: Entry, out: BinaryIO) -> None:
    """Copy an entry's content. Raises `MalformedError` where its header or checksum is wrong."""
    file.seek(entry.offset)
    if file.read(len(entry.local)) != entry.local:
        raise MalformedError(f"{entry.name}: its header is not that of the directory")
    if _copy(file, out, entry.size) != entry.crc:
        raise MalformedError(f"{entry.name}: its checksum is wrong")


def _end(count: int, start: int, size: int) -> bytes:
    return END.pack(END_SIGNATURE, 0, 0, count, count, size, start, 0)


def _measured(file: BinaryIO) -> tuple[int, int]:
    crc = size = 0
    for chunk in _chunks(file, None):
        crc, size = zlib.crc32(chunk, crc), size + len(chunk)
    return crc, size


def _copy(file: BinaryIO, out: BinaryIO, size: int) -> int:
    """Copy `size` bytes; the checksum of what was there."""
    crc = 0
    for chunk in _chunks(file, size):
        out.write(chunk)
        crc = zlib.crc32(chunk, crc)
    return crc


def _chunks(file: BinaryIO, size: int | None) -> Iterable[bytes]:
    left = size
    while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
        yield chunk
        left = None if left is None else left - len(chunk)
