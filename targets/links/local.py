"""This machine as a device: run a command, with a limit that ends all of it."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Completed:
    returncode: int
    stderr: str
    timed_out: bool = False


class LocalLink:
    name = "local"

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run `argv` with `env` added to this process's; ends it and its children at the limit."""
        process = subprocess.Popen(
            list(argv),
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            _, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return Completed(returncode=_end(process), stderr="", timed_out=True)
        except BaseException:  # Ctrl-C reaches only us: the child has a session of its own
            _end(process)
            raise
        return Completed(returncode=process.returncode, stderr=stderr)


def _end(process: "subprocess.Popen[str]") -> int:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode
