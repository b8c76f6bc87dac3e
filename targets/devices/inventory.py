"""The devices that a user can name: by address, or by an entry of devices.toml.

[pi4]
url = "ssh://pi@raspberrypi.local"
folder = "bench"                           # ours there; [default: .edge-distill at home]
ssh_options = ["-F", "lab.config"]         # more arguments of ssh
acquire = ["lab-lock", "acquire", "pi4"]   # run here before the device is touched
release = ["lab-lock", "release", "pi4"]   # and after
cooldown_c = 55                            # a block begins at this temperature or below
"""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from targets.devices.addresses import Adb, Address, Local, Ssh, is_url, parsed
from targets.devices.link import Link
from targets.devices.local.link import LocalLink
from targets.errors import InputError, did_you_mean, unknown

FILE = "devices.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
HOW = f'Write an entry into {FILE}: [NAME] and url = "ssh://USER@HOST".'
Text = Annotated[str, StringConstraints(min_length=1)]


class Entry(BaseModel):
    """A table of devices.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: Text
    folder: Text | None = None
    ssh_options: Annotated[list[Text], Field(min_length=1)] | None = None
    acquire: Annotated[list[Text], Field(min_length=1)] | None = None
    release: Annotated[list[Text], Field(min_length=1)] | None = None
    cooldown_c: Annotated[float, Field(gt=0, lt=120)] | None = None


@dataclass(frozen=True, kw_only=True)
class Device:
    name: str
    """As the user named it."""
    url: str
    address: Address
    place: Path | None = None
    """The file that holds its entry."""
    folder: str | None = None
    ssh_options: tuple[str, ...] = ()
    acquire: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    cooldown_c: float | None = None
    home: Path = field(default_factory=Path.cwd)
    """Where `acquire` and `release` run: beside the file."""

    @property
    def lacks_python(self) -> bool:
        """Whether the device has no Python of its own, so that a native tool alone is measured."""
        return isinstance(self.address, Adb)

    @property
    def file_stem(self) -> str:
        """The name as that of a file, and of no other device's: a URL holds slashes."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name)
        told_apart = hashlib.sha256(self.name.encode()).hexdigest()[:6]
        return stem if stem == self.name else f"{stem}-{told_apart}"


class Remote(Link, Protocol):
    """A link to a device where a folder is ours."""

    def clean(self) -> None:
        """Remove our folder there."""


def places() -> list[Path]:
    """Where devices.toml may be; what stands in the first goes before the others."""
    from platformdirs import user_config_path

    return [Path(FILE), user_config_path("edge-distill") / FILE]


def configured(files: Sequence[Path] | None = None) -> dict[str, Device]:
    """Every device that has an entry, by its name."""
    devices: dict[str, Device] = {}
    for path in reversed(places() if files is None else files):
        if path.is_file():
            devices |= read(path)
    return devices


def device(text: str, *, files: Sequence[Path] | None = None, place: str = "--device") -> Device:
    """The device that `text`, an address or a name, means; `place` is where the user wrote it."""
    if is_url(text):
        return Device(name=text, url=text, address=parsed(text, place=place))
    known = configured(files)
    if text not in known:
        raise InputError(f"{unknown('device', text, ['local', *known], place=place)} {HOW}")
    return known[text]


def read(path: Path) -> dict[str, Device]:
    """The devices of one file; an `InputError` names the entry and the key that is wrong."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}. {HOW}") from error
    return {name: _device(name, table, path) for name, table in tree.items()}


def _device(name: str, table: Any, path: Path) -> Device:
    if not isinstance(table, dict):
        raise InputError(f"{path}: {name}: is not an entry. {HOW}")
    if name == "local" or not NAME.fullmatch(name):
        raise InputError(
            f"{path}: [{name}]: cannot be a device's name: letters, digits, '.', '_' and '-', and "
            "local is this machine."
        )
    try:
        entry = Entry.model_validate(table)
    except ValidationError as error:
        said = " ".join(_explain(item, f"{path}: {name}") for item in error.errors())
        raise InputError(said) from error
    address = parsed(entry.url, place=f"{path}: {name}.url")
    _check(entry, address, f"{path}: {name}")
    return Device(
        name=name, url=entry.url, address=address, place=path, folder=entry.folder,
        ssh_options=_beside(path, entry.ssh_options or []), acquire=tuple(entry.acquire or ()),
        release=tuple(entry.release or ()), cooldown_c=entry.cooldown_c,
        home=path.absolute().parent,
    )  # fmt: skip


def _beside(path: Path, options: Sequence[str]) -> tuple[str, ...]:
    """The configuration that `-F` names as seen from devices.toml, not from the current folder."""
    found = list(options)
    for index in range(1, len(found)):
        if found[index - 1] == "-F" and found[index] != "none":
            found[index] = str(path.absolute().parent / Path(found[index]).expanduser())
    return tuple(found)


def _check(entry: Entry, address: Address, place: str) -> None:
    if entry.ssh_options and not isinstance(address, Ssh):
        raise InputError(f"{place}.ssh_options: only an ssh:// device has them. Remove the key.")
    if entry.folder and isinstance(address, Local):
        raise InputError(f"{place}.folder: nothing is kept on this machine. Remove the key.")
    if entry.folder and isinstance(address, Adb) and not entry.folder.startswith("/data/"):
        raise InputError(
            f"{place}.folder: is not below /data, as in /data/local/tmp/bench: nowhere else may "
            "adb's shell write and run programs."
        )
    if (entry.acquire is None) != (entry.release is None):
        missing = "acquire" if entry.acquire is None else "release"
        raise InputError(f"{place}.{missing}: is missing: what is acquired must be released.")


def _explain(item: Any, place: str) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        nearest = did_you_mean(key, Entry.model_fields)
        return f"{place}.{key}: unknown key{nearest} Known: {', '.join(Entry.model_fields)}."
    if item["type"] == "missing":
        return f'{place}.{key}: is missing, as in {key} = "ssh://pi@raspberrypi.local".'
    return f"{place}.{key}: {item['msg'].rstrip('.')}, not {item['input']!r}."


def open_link(device: Device, scratch: Path) -> Link:
    """The way to a device; what is written on this machine goes to `scratch`."""
    if isinstance(device.address, Local):
        link = LocalLink(scratch)
        link.name = device.name
        return link
    return open_remote(device)


def require_remote(device: Device) -> None:
    if isinstance(device.address, Local):
        raise InputError(
            f"device {device.name}: is this machine, where models are used where they are: there "
            "is no folder of ours. Name another device."
        )


def open_remote(device: Device) -> Remote:
    """An `InputError` for this machine."""
    require_remote(device)
    folder = {} if device.folder is None else {"folder": device.folder}
    match device.address:
        case Ssh(host=host, user=user, port=port):
            from targets.devices.ssh.link import SshLink

            return SshLink(
                host, name=device.name, user=user, port=port, options=device.ssh_options, **folder
            )
        case Adb(serial=serial):
            from targets.devices.adb.link import AdbLink

            remote: Remote = AdbLink(serial, name=device.name, **folder)
            return remote
    raise AssertionError(device.address)
