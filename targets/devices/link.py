"""What every way to a device does: copy a file there, run a command there, fetch what it wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from targets.errors import DeviceError


@dataclass(frozen=True, kw_only=True)
class Completed:
    returncode: int
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False


class LinkLost(DeviceError):
    """The connection is gone (a pulled cable, a reboot); it may come back."""


class Link(Protocol):
    name: str
    """The device, as the user named it."""

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run `argv` there with `env` added; at the limit the process and its children end there.

        The list is quoted once, by the link: any name may stand in it.
        """

    def put(self, path: Path) -> str:
        """Copy a file or a folder into our folder there, unless it is there; its path there."""

    def place(self, name: str) -> str:
        """The path in our folder there of a file that is to be written."""

    def fetch(self, there: str, to: Path) -> None:
        """Copy a file from there; a `DeviceError` where there is none."""

    def close(self) -> None: ...
