"""The default of a device session: a POSIX shell, Linux's /sys, and a Python of the device's own.

A kind of device passes its link, or subclasses and overrides what differs.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from targets.devices.contract import Link, Provisioned, Say
from targets.devices.doctor import Check
from targets.devices.facts import DeviceFacts

RETRY_S = 180.0
"""A Raspberry Pi boots in a minute or two."""


@dataclass(frozen=True, kw_only=True)
class PosixSession:
    """Satisfies `targets.devices.contract.DeviceSession`."""

    link: Link
    reached: str
    """How the device was reached, for the doctor."""
    retry_s: float = RETRY_S

    def probe(self) -> DeviceFacts:
        from targets.devices.probe import probe

        return probe(self.link)

    def provision(
        self, facts: DeviceFacts, format_name: str, *, runtime: str | None, install: bool, say: Say
    ) -> Provisioned:
        from targets.devices.provisioning import provision

        return provision(self.link, facts, format_name, runtime=runtime, install=install, say=say)

    def steady(self) -> AbstractContextManager[None]:
        return nullcontext()

    def conditions(self) -> Mapping[str, object]:
        return {}

    def temperature(self) -> float | None:
        from targets.devices.cooling import temperature

        return temperature(self.link)

    def checks(self, *, install: bool) -> Iterator[Check]:
        from targets.devices.doctor import conditions, runtimes
        from targets.devices.provisioning import installed

        facts = self.probe()
        yield conditions.reachable(self.reached)
        yield from conditions.conditions(facts)
        there = installed(self.link)
        yield from conditions.equipment(facts, has_runtime=bool(there))
        our_folder = self.link.remote_path("").rstrip("/")
        yield Check(name="our folder", ok=True, found=our_folder)
        yield from runtimes.runtimes(self.link, facts, there, install=install)
