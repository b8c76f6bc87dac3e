"""This machine as a device: nothing is copied, and its own Python runs the agent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

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
from targets.devices.local.link import LocalLink
from targets.errors import DeviceError


class LocalEntry(Entry):
    @field_validator("url")
    @classmethod
    def _local(cls, url: str) -> str:
        if url != "local":
            raise ValueError("is not the address of a device. This machine is: local.")
        return url

    @field_validator("folder")
    @classmethod
    def _no_folder(cls, folder: str | None) -> None:
        if folder is not None:
            raise ValueError("nothing is kept on this machine. Remove the key.")


class LocalKind:
    url_form = "local"
    entry: type[Entry] = LocalEntry
    has_python = True

    def identity(self, device: Device) -> str:
        return "local"

    def open(self, device: Device, *, scratch: Path) -> "LocalSession":
        return LocalSession(link=LocalLink(scratch, name=device.name), reached=device.url)

    def host_checks(self, *, needed: bool) -> Iterator[Check]:
        return iter(())


@dataclass(frozen=True, kw_only=True)
class LocalSession(DeviceSession):
    retry_s: ClassVar[float] = 0.0

    def probe(self) -> DeviceFacts:
        from targets.devices.local.probe import probe_local

        return probe_local()

    def provision(self, facts: DeviceFacts, wanted: WantedRuntime, *, say: Say) -> Provisioned:
        """This Python if it imports the runtime, else an environment of the runtime's own."""
        from targets.devices.provisioning import self_test
        from targets.runtimes import RUNTIMES, runtime_for
        from targets.runtimes.environment import python_for

        chosen = RUNTIMES[wanted.runtime] if wanted.runtime else runtime_for(wanted.format)
        python = str(python_for(chosen, install=wanted.install, say=say))
        tested = self_test(self.link, chosen, python)
        if isinstance(tested, str):
            raise DeviceError(f"device {self.link.name}: {chosen.name}: {tested}")
        return replace(tested, reused=True)

    def temperature(self) -> float | None:
        """Not waited for: this machine has other work, and the sentinel shows a lower clock."""

    def checks(self, *, install: bool) -> Iterator[Check]:
        from targets.devices.doctor import conditions, runtimes
        from targets.devices.probe import probe
        from targets.formats import FORMATS

        facts = probe(self.link)
        yield conditions.reachable(self.reached)
        yield from conditions.conditions(facts)
        yield from (runtimes.this_python(self.link, name) for name in FORMATS)
