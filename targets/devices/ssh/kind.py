"""Devices at `ssh://[user@]host[:port]`, by the user's own OpenSSH client."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from targets.devices.contract import Command, Device, DeviceSession, Entry
from targets.devices.doctor import Check
from targets.devices.ssh.failures import NO_CLIENT
from targets.devices.ssh.link import FOLDER, SshLink
from targets.errors import DeviceError

URL = re.compile(
    r"ssh://(?:(?P<user>[^@:/\s-][^@:/\s]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[^\]\s]+)?\]|[^@:/\s\[\]-][^@:/\s\[\]]*)"
    r"(?::(?P<port>\d{1,5}))?/?"
)
LIMIT_S = 60


class SshEntry(Entry):
    ssh_options: Command = Field(default=[])
    """More arguments of ssh."""

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        match = URL.fullmatch(url)
        if match is None or (match["port"] is not None and not 0 < int(match["port"]) < 65536):
            raise ValueError(_why(url))
        return url

    @field_validator("ssh_options")
    @classmethod
    def _beside(cls, options: list[str], info: ValidationInfo) -> list[str]:
        """The file after `-F` is relative to devices.toml, not to the current folder."""
        folder: Path = info.context or Path.cwd()
        return [
            str(folder / Path(option).expanduser())
            if before == "-F" and option != "none"
            else option
            for before, option in zip(["", *options], options, strict=False)
        ]

    @property
    def address(self) -> tuple[str, str, int | None]:
        """User, host and port; the host may be a `Host` of the user's ssh configuration."""
        match = URL.fullmatch(self.url)
        assert match is not None
        port = None if match["port"] is None else int(match["port"])
        return match["user"] or "", match["host"].strip("[]"), port


def _why(url: str) -> str:
    if re.search(r"//[^/@]*:[^/@]*@", url):
        return (
            "a password cannot be part of it. Let the device accept your key: ssh-copy-id "
            "USER@HOST."
        )
    if re.search(r"//[^/]+/.", url):
        return (
            "a path cannot be part of it. Our folder there is the key 'folder' of an entry in "
            "devices.toml."
        )
    return (
        "is not the address of a device. Write ssh://[user@]host[:port], as in "
        "ssh://pi@raspberrypi.local."
    )


class SshKind:
    url_form = "ssh://[user@]host[:port]"
    entry: type[Entry] = SshEntry
    has_python = True

    def identity(self, device: Device) -> str:
        """ssh itself resolves the `Host` entries of its configuration; an IP address and a name in
        DNS stay two identities."""
        entry = _entry(device)
        _, host, port = entry.address
        more = [] if port is None else ["-p", str(port)]
        argv = ["ssh", "-G", *entry.ssh_options, *more, "--", host]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S)
        except FileNotFoundError:
            raise DeviceError(NO_CLIENT.format(name=device.name)) from None
        settings = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
        if done.returncode != 0 or "hostname" not in settings:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise DeviceError(f"device {device.name}: your ssh configuration is refused: {last}.")
        return f"ssh {settings['hostname'].lower()} {settings.get('port', '22')}"

    def open(self, device: Device, *, scratch: Path) -> DeviceSession:
        entry = _entry(device)
        user, host, port = entry.address
        link = SshLink(
            host,
            name=device.name,
            user=user,
            port=port,
            options=entry.ssh_options,
            folder=entry.folder or FOLDER,
        )
        return DeviceSession(link=link, reached=f"{device.url}, its host key is known")

    def host_checks(self, *, needed: bool) -> Iterator[Check]:
        yield client(_version(), needed=needed)


def client(version: str | None, *, needed: bool) -> Check:
    return Check(
        name="ssh",
        ok=True if version else (False if needed else None),
        found=version or "no client; ssh:// devices need it",
        remedy="" if version else "sudo apt install openssh-client",
    )


def _version() -> str | None:
    program = shutil.which("ssh")
    if program is None:
        return None
    done = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=LIMIT_S)
    return (done.stderr or done.stdout).strip() or program


def _entry(device: Device) -> SshEntry:
    assert isinstance(device.entry, SshEntry)
    return device.entry
