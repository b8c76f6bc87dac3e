"""One SSH connection that all commands share (ControlMaster), by the user's own OpenSSH client."""

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from targets.devices.contract import LinkLost
from targets.devices.ssh import failures
from targets.errors import DeviceError

CONNECT_S = 60
OPTIONS = {
    "BatchMode": "yes",  # no question can be answered
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "4",
    "LogLevel": "ERROR",
    # What the user's configuration may have for interactive sessions only.
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}


class SshConnection:
    """A connection to `host`; `options` are more arguments of ssh, `name` is for errors."""

    def __init__(self, host: str, *, name: str, options: Sequence[str]) -> None:
        self.name = name
        self.host = host
        self._options = [*(f"-o{key}={value}" for key, value in OPTIONS.items()), *options]
        self._socket: Path | None = None

    def ensure(self) -> bool:
        """Connect unless there is a connection; returns whether a new one was made."""
        if self._socket is None:
            # A private folder with a short path: a socket's path ends at 104 bytes.
            self._socket = Path(tempfile.mkdtemp(prefix="ed-", dir="/tmp")) / "%C"
        if self._control("check"):
            return False
        for left in self._socket.parent.iterdir():
            left.unlink()
        self._open()
        return True

    def command(self, script: str) -> list[str]:
        """The local command that runs `script` in a POSIX shell on the device.

        The login shell there parses it once more: one string, quoted once, here.
        """
        return self._ssh(
            "-T", "-oControlMaster=no", "--", self.host, f"exec sh -c {shlex.quote(script)}"
        )

    def close(self) -> None:
        if self._socket is not None:
            if any(self._socket.parent.iterdir()):
                self._control("exit")
            # The master removes its socket at the same time.
            shutil.rmtree(self._socket.parent, ignore_errors=True)
            self._socket = None

    def _open(self) -> None:
        argv = self._ssh("-oControlMaster=yes", "-oControlPersist=600", "-N", "-f", "--", self.host)
        # A file, not a pipe: the connection that stays behind keeps it open.
        with tempfile.TemporaryFile() as errors:
            try:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    timeout=CONNECT_S,
                    start_new_session=True,  # outlives Ctrl-C, to carry the end of a command
                )
            except subprocess.TimeoutExpired:
                raise LinkLost(failures.silent(self.name, CONNECT_S)) from None
            errors.seek(0)
            if done.returncode != 0:
                stderr = errors.read().decode(errors="replace")
                raise failures.lost(self.name, self.host, stderr)

    def _control(self, command: str) -> bool:
        """`check` or `exit`, a request to the shared connection itself."""
        argv = self._ssh("-O", command, "--", self.host)
        try:
            return subprocess.run(argv, capture_output=True, timeout=CONNECT_S).returncode == 0
        except subprocess.TimeoutExpired:
            return False
        except FileNotFoundError:
            raise DeviceError(failures.NO_CLIENT.format(name=self.name)) from None

    def _ssh(self, *more: str) -> list[str]:
        return ["ssh", f"-oControlPath={self._socket}", *self._options, *more]
