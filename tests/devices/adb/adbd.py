"""The device's side of adb over TCP: the stock adb server connects to it as to a phone.

CNXN (AUTH where the phone is locked), OPEN/OKAY/WRTE/CLSE with one write in flight per stream; the
services `shell` (v1 and v2), `exec` and `sync` (v1). Source: AOSP's adb, `protocol.txt`,
`docs/dev/sync.md`. Run it alone: python -m tests.devices.adb.adbd --port 5555 [--shell CMD ...].
"""

import argparse
import contextlib
import os
import queue
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little")
    for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION, LARGEST = 0x01000001, 256 * 1024
MODERN = ("shell_v2", "cmd", "stat_v2")


@dataclass
class Phone:
    """A listening adbd. Leaving the context ends it and what runs in it."""

    shell: Sequence[str] = ("sh", "-c")
    """What a command's text is given to: this machine's shell, or one inside an arm64 tree."""
    path: Callable[[str], Path] = Path
    """A path on the device -> the file here (identity, or below an arm64 tree's root)."""
    env: Mapping[str, str] = field(default_factory=dict)
    features: Sequence[str] = MODERN
    locked: bool = False
    """The debugging question is not accepted: adb reports `unauthorized`."""
    port: int = 0
    model: str = "Stand_In"
    services: list[str] = field(default_factory=list)
    """Every service that was opened, in order."""

    def __enter__(self) -> "Phone":
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._connections: list[Connection] = []
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        for connection in self._connections:
            connection.end_processes()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def unplug(self) -> None:
        """Pull the cable: every connection breaks, none comes; what runs there runs on."""
        # Not close() alone: a thread in accept() would take one connection more.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.drop()

    def plug_in(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, link)
            self._connections.append(connection)
            threading.Thread(target=connection.serve, daemon=True).start()


class Stream:
    """One service. Writes wait for the other side's OKAY, as the protocol wants."""

    def __init__(self, connection: "Connection", local: int, remote: int) -> None:
        self.connection, self.local, self.remote = connection, local, remote
        self.arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.may_write = threading.Semaphore(0)
        self.open = True
        self._rest = b""

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), self.connection.largest):
            if not self.open:
                raise EOFError
            piece = data[start : start + self.connection.largest]
            self.connection.send(WRTE, self.local, self.remote, piece)
            self.may_write.acquire()

    def read(self, count: int) -> bytes:
        while len(self._rest) < count:
            piece = self.arrived.get()
            if piece is None:
                raise EOFError
            self._rest += piece
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def ended(self) -> None:
        """The other side, or the connection, is gone: end every wait."""
        self.open = False
        self.arrived.put(None)
        self.may_write.release(1000)


class Connection:
    def __init__(self, phone: Phone, link: socket.socket) -> None:
        self.phone, self.link = phone, link
        self.streams: dict[int, Stream] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.largest = 4096
        self._sending = threading.Lock()

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        check = sum(data) & 0xFFFFFFFF
        head = struct.pack("<6I", command, first, second, len(data), check, command ^ 0xFFFFFFFF)
        with self._sending, contextlib.suppress(OSError):
            self.link.sendall(head + data)

    def drop(self) -> None:
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()

    def end_processes(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def serve(self) -> None:
        try:
            while head := self._exactly(24):
                command, first, second, length, _, _ = struct.unpack("<6I", head)
                self._packet(command, first, second, self._exactly(length))
        except (EOFError, OSError):
            self.drop()
        for stream in self.streams.values():
            stream.ended()

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            piece = self.link.recv(count - len(got))
            if not piece:
                raise EOFError
            got += piece
        return got

    def _packet(self, command: int, first: int, second: int, data: bytes) -> None:
        if command == CNXN:
            self.largest = min(second, LARGEST)
            self._greet()
        elif command == AUTH:  # a signature or a key: it is not accepted here
            self.send(AUTH, 1, 0, os.urandom(20))
        elif command == OPEN:
            self._open(remote=first, service=data.rstrip(b"\0"))
        elif stream := self.streams.get(second):
            self._to(stream, command, data)

    def _greet(self) -> None:
        if self.phone.locked:
            self.send(AUTH, 1, 0, os.urandom(20))
            return
        name = self.phone.model
        properties = f"ro.product.name={name};ro.product.model={name};ro.product.device={name};"
        banner = f"device::{properties}features={','.join(self.phone.features)}"
        self.send(CNXN, VERSION, LARGEST, banner.encode())

    def _open(self, *, remote: int, service: bytes) -> None:
        stream = Stream(self, len(self.streams) + 1, remote)
        self.streams[stream.local] = stream
        self.phone.services.append(service.decode(errors="replace"))
        self.send(OKAY, stream.local, remote)
        threading.Thread(target=self._run, args=[stream, service], daemon=True).start()

    def _to(self, stream: Stream, command: int, data: bytes) -> None:
        if command == WRTE:
            stream.arrived.put(data)
            self.send(OKAY, stream.local, stream.remote)
        elif command == OKAY:
            stream.may_write.release()
        elif command == CLSE:
            stream.ended()

    def _run(self, stream: Stream, service: bytes) -> None:
        kind, _, text = service.partition(b":")
        try:
            if kind == b"sync":
                Sync(stream, self.phone).serve()
            elif kind.split(b",")[0] in (b"shell", b"exec"):
                self._shell(stream, text, version_2=b"v2" in kind.split(b","))
        except (EOFError, OSError):
            pass
        if stream.open:
            stream.open = False
            self.send(CLSE, stream.local, stream.remote)

    def _shell(self, stream: Stream, text: bytes, *, version_2: bool) -> None:
        """A process of its own session, which goes on when its stream is gone, as adbd's does."""
        process = subprocess.Popen(
            [*map(os.fsencode, self.phone.shell), text],
            env={**os.environ, **self.phone.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if version_2 else subprocess.STDOUT,
            start_new_session=True,
        )
        self.processes.append(process)
        assert process.stdout is not None
        if process.stderr is not None:
            errors = threading.Thread(target=_pump, args=[stream, process.stderr, 2], daemon=True)
            errors.start()
        _pump(stream, process.stdout, 1 if version_2 else None)
        code = process.wait()
        if process.stderr is not None:
            errors.join()
            stream.write(struct.pack("<BIB", 3, 1, code if code >= 0 else 128 - code))


def _pump(stream: Stream, source: IO[bytes], kind: int | None) -> None:
    with source, contextlib.suppress(EOFError):
        while data := os.read(source.fileno(), 32768):
            stream.write(data if kind is None else struct.pack("<BI", kind, len(data)) + data)


class Sync:
    """Files. `STAT` and `LIST` are what the adb command itself asks for before a push or pull."""

    def __init__(self, stream: Stream, phone: Phone) -> None:
        self.stream, self.phone = stream, phone

    def serve(self) -> None:
        answers = {b"STAT": self._stat, b"SEND": self._send, b"RECV": self._receive}
        while True:
            kind, length = struct.unpack("<4sI", self.stream.read(8))
            if kind == b"QUIT":
                return
            argument = os.fsdecode(self.stream.read(length))
            try:
                answers[kind](argument)
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        text = (error.strerror or str(error)).encode()
        self.stream.write(struct.pack("<4sI", b"FAIL", len(text)) + text)

    def _stat(self, name: str) -> None:
        path = self.phone.path(name)
        mode, size, when = 0, 0, 0
        if path.exists():
            mode, size, when = path.stat().st_mode, path.stat().st_size, int(path.stat().st_mtime)
        self.stream.write(struct.pack("<4s3I", b"STAT", mode, size, when))

    def _receive(self, name: str) -> None:
        with self.phone.path(name).open("rb") as file:
            while chunk := file.read(65536):
                self.stream.write(struct.pack("<4sI", b"DATA", len(chunk)) + chunk)
        self.stream.write(struct.pack("<4sI", b"DONE", 0))

    def _send(self, argument: str) -> None:
        name, _, mode = argument.rpartition(",")
        path, error = self.phone.path(name), None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        except OSError as refused:
            error = refused
        while True:  # after a refusal too: adbd reads on until DONE
            kind, length = struct.unpack("<4sI", self.stream.read(8))
            if kind == b"DONE":
                break
            data = self.stream.read(length)
            if error is None:
                with path.open("ab") as file:
                    try:
                        file.write(data)
                        file.flush()
                    except OSError as refused:
                        error = refused
        if error is not None:
            raise error
        path.chmod(int(mode) & 0o777)
        self.stream.write(struct.pack("<4sI", b"OKAY", 0))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=5555)
    options.add_argument("--shell", nargs="+", default=["sh", "-c"])
    asked = options.parse_args()
    with Phone(port=asked.port, shell=asked.shell) as phone:
        print(f"adb connect {phone.serial}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
