"""What a kind of device must offer: `DeviceKind` by its address, `DeviceSession` once it is open,
and `Link` for files and processes.

`targets.devices.fake` is the shortest implementation. To add a kind, write a folder like it and a
line in `targets.devices._built_in`.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from targets.devices.doctor import Check
from targets.devices.facts import DeviceFacts
from targets.errors import DeviceError

Say = Callable[[str], None]
Text = Annotated[str, StringConstraints(min_length=1)]
Command = Annotated[list[Text], Field(min_length=1)]
RETRY_S = 180.0
"""Seconds to try a lost connection again: a Raspberry Pi boots in a minute or two."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that has ended."""

    returncode: int
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False


class LinkLost(DeviceError):
    """The connection is gone (a pulled cable, a reboot); it may come back."""


class Link(Protocol):
    """Runs commands on one device and copies files to and from our folder there.

    A method raises `LinkLost` if the connection breaks, and `DeviceError` if the device refuses.
    """

    @property
    def name(self) -> str:
        """The device's name as the user wrote it."""

    @property
    def shares_files(self) -> bool:
        """Whether the device reads this machine's files, so that `push` copies nothing."""

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run `argv` with `env` added. At the limit the command and its children are killed.

        The link quotes `argv` once: its items may hold any character but NUL.
        """

    def push(self, path: Path) -> str:
        """Copy a file or a folder into our folder, unless the same content is there.

        Returns its path on the device.
        """

    def remote_path(self, name: str) -> str:
        """The path in our folder of the file `name`, which a command is to write."""

    def pull(self, remote: str, to: Path) -> None:
        """Copy a file from the device; `DeviceError` if it does not exist."""

    def clean(self) -> None:
        """Remove our folder; `InputError` where there is none."""

    def close(self) -> None:
        """Close the connection. A later call of another method opens it again."""


class Entry(BaseModel):
    """A table of devices.toml. A kind adds its own keys in a subclass, and validates `url`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: Text
    folder: Text | None = None
    """Our folder on the device."""
    acquire: Command = []
    """Command to run on this machine before the device is used."""
    release: Command = []
    """Command to run on this machine after the device was used."""
    cooldown_c: Annotated[float, Field(gt=0, lt=120)] | None = None
    """A block begins at this temperature or below."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device that the user named, by its address or by an entry of devices.toml."""

    name: str
    kind: "DeviceKind"
    entry: Entry
    file: Path | None = None
    """The devices.toml that holds the entry."""

    @property
    def url(self) -> str:
        return self.entry.url

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def home(self) -> Path:
        """Folder in which `acquire` and `release` run: that of the devices.toml."""
        return Path.cwd() if self.file is None else self.file.absolute().parent

    @property
    def file_stem(self) -> str:
        """The name as a file name, unique to the device: a URL holds slashes."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name)
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:6]
        return stem if stem == self.name else f"{stem}-{digest}"


@dataclass(frozen=True, kw_only=True)
class WantedRuntime:
    format: str
    """Format of the files that it must run."""
    runtime: str | None = None
    """Name of the runtime; None: the best that the device can have."""
    install: bool = True
    """Whether it may be installed; if not, it must be on the device already."""


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """A runtime that is ready on a device."""

    runtime: str
    version: str
    numpy: str
    python: str
    """Path on the device of the interpreter that imports it."""
    reused: bool
    """Whether nothing had to be installed."""


@dataclass(frozen=True, kw_only=True)
class DeviceSession:
    """An open device. By default it has a POSIX shell, Linux's /sys and a Python; a kind of device
    overrides what differs.
    """

    link: Link
    reached: str
    """How the device was reached, for the doctor."""
    retry_s: ClassVar[float] = RETRY_S
    """Seconds for which a lost connection is tried again."""

    def probe(self) -> DeviceFacts:
        """What the device is; `DeviceError` if it does not answer."""
        from targets.devices.probe import probe

        return probe(self.link)

    def provision(self, facts: DeviceFacts, wanted: WantedRuntime, *, say: Say) -> Provisioned:
        """Install a runtime if needed; `DeviceError` if the device cannot have it."""
        from targets.devices.provisioning import provision

        return provision(self.link, facts, wanted, say=say)

    def steady(self) -> AbstractContextManager[None]:
        """Settings that hold during a measurement and are restored afterwards."""
        return nullcontext()

    def conditions(self) -> Mapping[str, object]:
        """Values of `targets.bench.record.Environment` that the agent cannot read itself."""
        return {}

    def temperature(self) -> float | None:
        """Return the temperature in degrees C; a block waits until it falls. None: do not wait."""
        from targets.devices.cooling import temperature

        return temperature(self.link)

    def checks(self, *, install: bool) -> Iterator[Check]:
        """What `pipeline doctor` reports about the device; nothing is installed on it."""
        from targets.devices.doctor.conditions import conditions, equipment, reachable
        from targets.devices.doctor.runtimes import runtimes
        from targets.devices.provisioning import installed

        facts = self.probe()
        yield reachable(self.reached)
        yield from conditions(facts)
        there = installed(self.link)
        yield from equipment(facts, has_runtime=bool(there))
        our_folder = self.link.remote_path("").rstrip("/")
        yield Check(name="our folder", ok=True, found=our_folder)
        yield from runtimes(self.link, facts, there, install=install)


@runtime_checkable
class DeviceKind(Protocol):
    """Every device whose URL has one scheme. Light to import: opens nothing before `open`."""

    @property
    def url_form(self) -> str:
        """How an address is written, for messages: `ssh://[user@]host[:port]`."""

    @property
    def entry(self) -> type[Entry]:
        """The keys of such a device in devices.toml."""

    @property
    def has_python(self) -> bool:
        """Whether such devices have a Python. Where they have none, a native tool (`--native`)
        is used alone, and no Python is installed for it."""

    def identity(self, device: Device) -> str:
        """The same text for all names of one device: its lock."""

    def open(self, device: Device, *, scratch: Path) -> DeviceSession:
        """Connect; what a device on this machine writes goes to `scratch`."""

    def host_checks(self, *, needed: bool) -> Iterator[Check]:
        """What this machine needs to reach such devices; `needed`: one is to be measured."""
