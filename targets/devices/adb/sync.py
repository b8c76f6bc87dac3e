"""Files over adb: the sync service's SEND and RECV.

Not adbutils' own `Sync`, which has no time limit and drops the device's error messages.
Source: docs of AOSP's adb, `docs/dev/sync.md`.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK = 64 * 1024  # the protocol's limit


class SyncRefused(Exception):
    """The device's error message."""


def send(stream: socket.socket, source: BinaryIO, remote: str, *, mode: int) -> None:
    """Write `source` to the file `remote`; EOFError or OSError if the connection breaks."""
    try:
        name = f"{remote},{0o100000 | mode}".encode("utf-8", "surrogateescape")
        _request(stream, b"SEND", name)
        while chunk := source.read(CHUNK):
            _request(stream, b"DATA", chunk)
        stream.sendall(struct.pack("<4sI", b"DONE", 0))
    except ConnectionError:
        pass  # an old adbd closes its end after FAIL: the reason is still to be read
    for _ in _answers(stream):
        return


def receive(stream: socket.socket, remote: str, to: Path) -> None:
    """Copy the file `remote` to `to`; fails as `send` does."""
    _request(stream, b"RECV", remote.encode("utf-8", "surrogateescape"))
    with to.open("wb") as file:
        for chunk in _answers(stream):
            file.write(chunk)


def _request(stream: socket.socket, kind: bytes, payload: bytes) -> None:
    stream.sendall(struct.pack("<4sI", kind, len(payload)) + payload)


def _answers(stream: socket.socket) -> Iterator[bytes]:
    """The payload of each DATA until DONE or OKAY."""
    while True:
        kind, length = struct.unpack("<4sI", _exactly(stream, 8))
        if kind == b"FAIL":
            raise SyncRefused(_exactly(stream, length).decode(errors="replace"))
        if kind in (b"DONE", b"OKAY"):
            return
        yield _exactly(stream, length)


def _exactly(stream: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        chunk = stream.recv(count - len(got))
        if not chunk:
            raise EOFError
        got += chunk
    return bytes(got)
