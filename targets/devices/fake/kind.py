"""A kind of device for tests: this machine, with scripted commands and facts.

with DEVICE_KINDS.added("fake", FakeKind(handler=lambda argv: Completed(returncode=1))):
    ...  # fake://anything is a device, also for the commands
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from targets.devices.contract import Device, Entry
from targets.devices.doctor import Check
from targets.devices.facts import DeviceFacts
from targets.devices.fake.link import FakeLink, Handler
from targets.devices.local.kind import LocalSession


@dataclass(frozen=True, kw_only=True)
class FakeKind:
    handler: Handler | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    """Fields of `DeviceFacts` that differ from this machine's."""
    url_form: str = "fake://NAME"
    entry: type[Entry] = Entry
    has_python: bool = True

    def identity(self, device: Device) -> str:
        return device.url

    def open(self, device: Device, *, scratch: Path) -> "FakeSession":
        link = FakeLink(scratch / "fake", name=device.name, handler=self.handler)
        return FakeSession(link=link, reached=device.url, facts=self.facts)

    def host_checks(self, *, needed: bool) -> Iterator[Check]:
        return iter(())


@dataclass(frozen=True, kw_only=True)
class FakeSession(LocalSession):
    facts: Mapping[str, object]

    def probe(self) -> DeviceFacts:
        return replace(super().probe(), id=self.link.name, **self.facts)  # type: ignore[arg-type]
