"""Android devices at `adb://[SERIAL]`; the serial of a device in the network is HOST:PORT."""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pydantic import field_validator

from targets.devices.adb import probe, settings
from targets.devices.adb.link import FOLDER, AdbLink
from targets.devices.adb.server import AdbServer, choose
from targets.devices.contract import (
    Device,
    DeviceSession,
    Entry,
    Provisioned,
    Say,
    WantedRuntime,
)
from targets.devices.doctor import Check
from targets.devices.facts import DeviceFacts

URL = re.compile(r"adb://([^/\s-][^/\s]*)?")


class AdbEntry(Entry):
    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if not URL.fullmatch(url):
            raise ValueError(
                "is not the address of a device. Write adb://SERIAL, as `adb devices` lists it."
            )
        return url

    @field_validator("folder")
    @classmethod
    def _folder(cls, folder: str | None) -> str | None:
        if folder is not None and not folder.startswith("/data/"):
            raise ValueError(
                "is not below /data, as in /data/local/tmp/bench: adb's shell may write and run "
                "programs nowhere else."
            )
        return folder


class AdbKind:
    url_form = "adb://[SERIAL]"
    entry: type[Entry] = AdbEntry
    has_python = False

    def identity(self, device: Device) -> str:
        return f"adb {_serial(device) or choose(AdbServer().devices(), None)}"

    def open(self, device: Device, *, scratch: Path) -> "AdbSession":
        link = AdbLink(_serial(device), name=device.name, folder=device.entry.folder or FOLDER)
        return AdbSession(link=link, reached=device.url)

    def host_checks(self, *, needed: bool) -> Iterator[Check]:
        from targets.devices.adb.checks import package
        from targets.devices.doctor.host import installed

        yield package(installed(), needed=needed)


def _serial(device: Device) -> str | None:
    """Return the serial; None: ANDROID_SERIAL, or the only device that adb lists."""
    match = URL.fullmatch(device.url)
    assert match is not None
    return match[1]


@dataclass(frozen=True, kw_only=True)
class AdbSession(DeviceSession):
    def probe(self) -> DeviceFacts:
        return probe.probe(self.link)

    def provision(self, facts: DeviceFacts, wanted: WantedRuntime, *, say: Say) -> Provisioned:
        from targets.devices.adb.provisioning import provision

        return provision(self.link, facts.abi, wanted, say=say)

    def steady(self) -> AbstractContextManager[None]:
        return settings.steady(self.link)

    def conditions(self) -> Mapping[str, object]:
        return probe.conditions(self.link)

    def checks(self, *, install: bool) -> Iterator[Check]:
        from targets.devices.adb.checks import runtimes, state_checks
        from targets.devices.doctor.conditions import reachable
        from targets.devices.provisioning import installed

        facts = self.probe()
        yield reachable(self.reached)
        yield from state_checks(facts, probe.conditions(self.link))
        yield from runtimes(self.link, facts.abi, installed(self.link))
