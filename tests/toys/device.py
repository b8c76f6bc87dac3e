"""A kind of device in one module, as another distribution would offer it: a board by its number."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import field_validator

from targets.devices.contract import Device, DeviceSession, Entry
from targets.devices.doctor import Check
from targets.devices.fake.kind import FakeSession
from targets.devices.fake.link import FakeLink


class ToyEntry(Entry):
    revision: str = "a"
    """Of the board."""

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if not url.removeprefix("toy://").isdigit():
            raise ValueError("is not the address of a board. Write toy://NUMBER.")
        return url


class ToyKind:
    url_form = "toy://NUMBER"
    entry: type[Entry] = ToyEntry
    has_python = True

    def identity(self, device: Device) -> str:
        return device.url

    def open(self, device: Device, *, scratch: Path) -> DeviceSession:
        link = FakeLink(scratch / "board", name=device.name)
        assert isinstance(device.entry, ToyEntry)
        facts = {"model": f"Toy board {device.entry.revision}"}
        return FakeSession(link=link, reached=device.url, facts=facts)

    def host_checks(self, *, needed: bool) -> Iterator[Check]:
        yield Check(name="toy cable", ok=True if needed else None, found="in the drawer")
