"""This machine as a device: run a command, with a limit that ends all of it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.devices.link import Completed
from targets.errors import DeviceError


class LocalLink:
    """Files are used where they are; what is written goes to `folder`."""

    name = "local"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run `argv` with `env` added to this process's; ends it and its children at the limit."""
        process = subprocess.Popen(
            list(argv),
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return Completed(returncode=_end(process), timed_out=True)
        except BaseException:  # Ctrl-C reaches only us: the child has a session of its own
            _end(process)
            raise
        return Completed(returncode=process.returncode, stdout=stdout, stderr=stderr)

    def put(self, path: Path) -> str:
        return str(path.absolute())

    def place(self, name: str) -> str:
        return str(self.folder / name)

    def fetch(self, there: str, to: Path) -> None:
        if not Path(there).is_file():
            raise DeviceError(f"device {self.name}: {there} was not written there.")
        if Path(there) != to:
            shutil.copyfile(there, to)

    def close(self) -> None:
        """Nothing stays open."""


def _end(process: "subprocess.Popen[str]") -> int:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode
