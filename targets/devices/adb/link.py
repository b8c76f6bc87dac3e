"""An Android device over adb (USB or network); only one folder there is written to."""

import secrets
import shlex
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from targets.devices.adb import shell_script, sync
from targets.devices.adb.server import READY, AdbServer, choose
from targets.devices.archive import archived
from targets.devices.contract import Completed, LinkLost
from targets.errors import DeviceError, InputError
from targets.files.digest import file_sha256

FOLDER = "/data/local/tmp/edge-distill"
"""Folder in the only place where the shell's user may write and execute (/sdcard is noexec)."""
GRACE_S = 15.0
"""Seconds for the transfer, beyond a command's own limit, which the device enforces."""
FILE_S = 600.0
"""Seconds without a byte moving, after which a copy has failed."""
PROGRAMS = ("setsid", "sha256sum", "tar")


class AdbLink:
    """One device of the user's adb server. `serial` None: ANDROID_SERIAL, or the only device."""

    shares_files = False

    def __init__(
        self, serial: str | None = None, *, name: str | None = None, folder: str = FOLDER
    ) -> None:
        self._server = AdbServer()
        if serial and ":" in serial:
            self._reconnect(serial)
        self.serial = choose(self._server.devices(), serial)
        self.name = name or f"adb://{self.serial}"
        self.folder = folder
        self._left: list[str] = []  # tokens of commands that may still run there
        self._prepare()

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run `argv`; the device itself enforces the limit, also without a connection."""
        self._end_left()
        token = secrets.token_hex(8)
        text = shell_script.wrap(argv, env=env, folder=self.folder, token=token, limit_s=timeout_s)
        self._left.append(token)  # until it has reported: also through Ctrl-C
        try:
            output = self._output(text, token, limit_s=timeout_s + GRACE_S)
        except KeyboardInterrupt:
            with suppress(DeviceError):
                self._end_left()
            raise
        self._left.remove(token)
        done = shell_script.report(output, token)
        if done.returncode == shell_script.NO_FOLDER and "cannot write in" in done.stderr:
            raise DeviceError(f"device {self.name}: {done.stderr.strip()}. {self._room()}")
        return done

    def push(self, path: Path) -> str:
        """Copy to a path that holds the SHA-256 of the content: what it names never changes."""
        if path.is_dir():
            return self._push_folder(path)
        digest = file_sha256(path)
        remote = f"{self.folder}/{digest[:16]}/{path.name}"
        if self._sha256(remote) != digest:
            self._send(path, remote, digest)
        return remote

    def remote_path(self, name: str) -> str:
        if Path(name).name != name:
            raise InputError(f"'{name}': must be a file name without a folder.")
        return f"{self.folder}/{name}"

    def pull(self, remote: str, to: Path) -> None:
        digest = self._sha256(remote)
        if digest is None:
            raise DeviceError(f"device {self.name}: {remote} does not exist there.")
        part = to.with_name(f"{to.name}.part")
        with self._sync(remote) as stream:
            sync.receive(stream, remote, part)
        if file_sha256(part) != digest:
            raise DeviceError(
                f"device {self.name}: {remote} was altered on its way. Try another cable or port."
            )
        part.replace(to)

    def clean(self) -> None:
        """Remove our folder, and kill what a lost connection left running in it."""
        self._end_left()
        self._plain(f"rm -rf {shlex.quote(self.folder)}")

    def close(self) -> None:
        """Nothing stays open: each command has a stream of its own."""

    def _prepare(self) -> None:
        here = shlex.quote(self.folder)
        printed = self._plain(
            f"mkdir -p {here} && chmod 700 {here} && echo made\n"
            f"for p in {' '.join(PROGRAMS)}; do command -v $p >/dev/null || echo without $p; done"
        )
        if "made" not in printed.split():
            raise DeviceError(
                f"device {self.name}: {self.folder} cannot be made there: {printed}. Remove "
                f"what is in its place: adb -s {self.serial} shell rm -rf {here}."
            )
        missing = [line.split()[-1] for line in printed.splitlines() if line.startswith("without")]
        if missing:
            raise DeviceError(
                f"device {self.name}: its shell has no {', '.join(missing)}. Android 8 or newer "
                "has them all."
            )

    def _reconnect(self, serial: str) -> None:
        """Reconnect a device in the network, once; its state then shows the result."""
        with suppress(DeviceError):
            state = self._server.devices().get(serial)
            if state == "offline":  # else "already connected": adb tries again every 10 s only
                self._server.disconnect(serial)
            if state != READY:
                self._server.connect(serial)

    def _output(self, text: bytes, token: str, *, limit_s: float) -> bytes:
        """The output of the shell up to its report."""
        output, end = bytearray(), time.monotonic() + limit_s
        try:
            with self._stream(b"exec:" + text, timeout_s=limit_s) as stream:
                while not shell_script.finished(bytes(output[-64:]), token):
                    stream.settimeout(max(0.01, end - time.monotonic()))
                    chunk = stream.recv(65536)
                    if not chunk:
                        raise LinkLost(f"device {self.name}: the connection broke. {REPLUG}")
                    output += chunk
        except OSError as error:
            raise LinkLost(
                f"device {self.name}: no answer within {limit_s:g} s: {error}. {REPLUG}"
            ) from error
        return bytes(output)

    def _plain(self, text: str) -> str:
        """The output of a few commands; our folder need not exist."""
        token = secrets.token_hex(8)
        script = f"m={shell_script.apart(token)}; echo $m:; {{ {text}\n}} 2>&1 </dev/null; echo $m."
        output = self._output(script.encode("utf-8", "surrogateescape"), token, limit_s=60)
        printed = output.decode(errors="replace").partition(f"{token}:\n")[2]
        return printed.removesuffix(f"{token}.\n").strip()

    def _end_left(self) -> None:
        while self._left:
            ending = shell_script.end(folder=self.folder, token=self._left[-1])
            self._plain(ending.decode("utf-8", "surrogateescape"))
            self._left.pop()

    @contextmanager
    def _stream(self, service: bytes, *, timeout_s: float) -> Iterator[socket.socket]:
        try:
            stream = self._server.open(self.serial, service, timeout_s=timeout_s)
        except LinkLost:
            if ":" not in self.serial:
                raise
            self._reconnect(self.serial)
            stream = self._server.open(self.serial, service, timeout_s=timeout_s)
        with stream:
            yield stream

    @contextmanager
    def _sync(self, remote: str) -> Iterator[socket.socket]:
        try:
            with self._stream(b"sync:", timeout_s=FILE_S) as stream:
                yield stream
        except sync.SyncRefused as refused:
            raise DeviceError(f"device {self.name}: {remote}: {refused}. {self._room()}") from None
        except (EOFError, OSError) as error:
            raise LinkLost(f"device {self.name}: the connection broke. {REPLUG}") from error

    def _sha256(self, remote: str) -> str | None:
        """Return the SHA-256 of a file on the device; None if it does not exist."""
        # From standard input: GNU's sha256sum marks an escaped name with a backslash.
        done = self._sh('[ -f "$1" ] && sha256sum <"$1"', remote)
        return done.stdout.split()[0] if done.returncode == 0 else None

    def _send(self, path: Path, remote: str, digest: str) -> None:
        part = f"{remote.rpartition('/')[0]}/.part"
        with path.open("rb") as file, self._sync(remote) as stream:
            sync.send(stream, file, part, mode=0o755 if path.stat().st_mode & 0o100 else 0o644)
        check = 'h=$(sha256sum <"$1") && [ "${h%% *}" = "$2" ] || exit 9; mv "$1" "$3"'
        if self._checked(check, part, digest, remote, unless=9) == 9:
            raise DeviceError(
                f"device {self.name}: {remote} was altered on its way. Try another cable or port."
            )

    def _push_folder(self, path: Path) -> str:
        with tempfile.TemporaryDirectory() as scratch:
            packed = archived(path, Path(scratch))
            digest = file_sha256(packed)
            remote = f"{self.folder}/{digest[:16]}.folder"
            if self._sh('[ -d "$1" ]', remote).returncode != 0:
                sent = f"{remote}.tar"
                self._send(packed, sent, digest)
                self._checked(
                    'rm -rf "$2.new" && mkdir "$2.new" && tar -xf "$1" -C "$2.new" && '
                    'rm "$1" && mv "$2.new" "$2"',
                    sent,
                    remote,
                )
        return remote

    def _sh(self, script: str, *arguments: str, timeout_s: float = FILE_S) -> Completed:
        return self.run(["sh", "-c", script, "sh", *arguments], env={}, timeout_s=timeout_s)

    def _checked(self, script: str, *arguments: str, unless: int = 0) -> int:
        done = self._sh(script, *arguments)
        if done.returncode not in (0, unless):
            raise DeviceError(f"device {self.name}: {done.stderr.strip()}. {self._room()}")
        return done.returncode

    def _room(self) -> str:
        return (
            f"Is there room? Look: adb -s {self.serial} shell df -h {shlex.quote(self.folder)}; "
            f"make some: pipeline devices clean {self.name}."
        )


REPLUG = "Check the cable and 'adb devices'."
