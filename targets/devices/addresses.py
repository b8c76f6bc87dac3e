"""How a device is reached: `local`, `ssh://[user@]host[:port]` or `adb://[SERIAL]`."""

import re
from dataclasses import dataclass

from targets.errors import InputError

SSH = re.compile(
    r"ssh://(?:(?P<user>[^@:/\s-][^@:/\s]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[^\]\s]+)?\]|[^@:/\s\[\]-][^@:/\s\[\]]*)"
    r"(?::(?P<port>\d{1,5}))?/?"
)
ADB = re.compile(r"adb://(?P<serial>[^/\s-][^/\s]*)?")
"""A serial of a device in the network is HOST:PORT."""


@dataclass(frozen=True, kw_only=True)
class Local:
    """This machine."""


@dataclass(frozen=True, kw_only=True)
class Ssh:
    host: str
    """Also a `Host` of the user's ssh configuration."""
    user: str = ""
    port: int | None = None


@dataclass(frozen=True, kw_only=True)
class Adb:
    serial: str | None = None
    """None: ANDROID_SERIAL, or the only device that adb knows."""


Address = Local | Ssh | Adb


def is_url(text: str) -> bool:
    return text == "local" or "://" in text


def parsed(url: str, *, place: str) -> Address:
    """What `url` means; an `InputError` that begins with `place` where it means nothing."""
    if url == "local":
        return Local()
    if match := ADB.fullmatch(url):
        return Adb(serial=match["serial"])
    if (match := SSH.fullmatch(url)) and _is_port(match["port"]):
        port = None if match["port"] is None else int(match["port"])
        return Ssh(host=match["host"].strip("[]"), user=match["user"] or "", port=port)
    raise InputError(f"{place}: {url}: {_why(url)}")


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) < 65536


def _why(url: str) -> str:
    if url.startswith("ssh://") and re.search(r"//[^/@]*:[^/@]*@", url):
        return (
            "a password cannot be part of it. Let the device take your key: ssh-copy-id USER@HOST."
        )
    if url.startswith("ssh://") and re.search(r"//[^/]+/.", url):
        return (
            "a path cannot be part of it. Our folder there is the key 'folder' of an entry in "
            "devices.toml."
        )
    return (
        "no address of a device. It is local, ssh://[user@]host[:port] or adb://SERIAL, as in "
        "ssh://pi@raspberrypi.local."
    )
