"""Commands on this machine, with a time limit that also ends their children."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.devices.contract import Completed
from targets.errors import DeviceError, InputError


class LocalLink:
    """Files are used where they are; what is written goes to `folder`."""

    name = "local"
    shares_files = True

    def __init__(self, folder: Path, *, name: str = name) -> None:
        self.folder = folder
        self.name = name

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
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
            return Completed(returncode=_kill(process), timed_out=True)
        except BaseException:  # Ctrl-C reaches only us: the child has a session of its own
            _kill(process)
            raise
        return Completed(returncode=process.returncode, stdout=stdout, stderr=stderr)

    def push(self, path: Path) -> str:
        return str(path.absolute())

    def remote_path(self, name: str) -> str:
        return str(self.folder / name)

    def pull(self, remote: str, to: Path) -> None:
        if not Path(remote).is_file():
            raise DeviceError(f"device {self.name}: {remote} does not exist there.")
        if Path(remote) != to:
            shutil.copyfile(remote, to)

    def clean(self) -> None:
        raise InputError(
            f"device {self.name}: is this machine, where models are used where they are: there is "
            "no folder of ours. Name another device."
        )

    def close(self) -> None:
        """Nothing stays open."""


def _kill(process: "subprocess.Popen[str]") -> int:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode
