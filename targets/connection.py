"""A device that can measure: locked, looked at, with the runtimes that it needs."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.bench import result
from targets.bench.host import Host
from targets.devices import probe_local
from targets.inventory import Device, open_link
from targets.links.link import Link
from targets.links.local import LocalLink
from targets.probe import probe
from targets.provision import Provisioned, provision
from targets.runtimes import RUNTIMES, Runtime
from targets.turns import alone

RETRY_S = 180.0
"""A Raspberry Pi starts in a minute or two."""


@dataclass(frozen=True, kw_only=True)
class Connected:
    host: Host
    device: dict[str, Any]
    """As `bench-result/1` describes it."""
    defaults: Mapping[str, Runtime]
    """By format, the runtime that the device can have."""

    @property
    def cpus(self) -> int:
        return len(self.device["cpus"]) or 1

    @property
    def big_cores(self) -> tuple[int, ...]:
        """Those with the highest top frequency; all, where none says it."""
        tops = {cpu["id"]: cpu["max_hz"] or 0 for cpu in self.device["cpus"]}
        return tuple(cpu for cpu, hz in tops.items() if hz == max(tops.values()))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be possible on the device."""

    formats: Sequence[str]
    runtimes: Sequence[Runtime] = ()
    """Empty: the best that it can have, for each format."""
    install: bool = True
    timeout_s: float = 600.0


@contextmanager
def connected(
    device: Device,
    wish: Wish,
    *,
    scratch: Path,
    say: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Iterator[Connected]:
    """Raises `DeviceError` where the device cannot be reached or cannot measure."""
    with alone(device, say=say):
        link = open_link(device, scratch)
        try:
            looked = probe_local() if isinstance(link, LocalLink) else probe(link)
            host, defaults = _ready(link, looked, wish, scratch, say, stop or threading.Event())
            yield Connected(host=host, device=_described(device, looked), defaults=defaults)
        finally:
            link.close()


def _ready(
    link: Link,
    looked: Mapping[str, Any],
    wish: Wish,
    scratch: Path,
    say: Callable[[str], None],
    stop: threading.Event,
) -> tuple[Host, dict[str, Runtime]]:
    from platformdirs import user_cache_path

    provisioned: dict[str, Provisioned] = {}
    defaults: dict[str, Runtime] = {}
    for name, kind in _asked(wish):
        found = provision(
            link,
            looked,
            kind,
            cache=user_cache_path("edge-distill") / "wheels",
            say=say,
            install=wish.install,
            runtime=name,
        )
        provisioned[found.runtime] = found
        defaults.setdefault(kind, RUNTIMES[found.runtime])
    host = Host(
        link=link,
        folder=scratch,
        timeout_s=wish.timeout_s,
        retry_s=0.0 if isinstance(link, LocalLink) else RETRY_S,
        python=lambda runtime: provisioned[runtime.name].python,
        say=say,
        stop=stop,
    )
    return host, defaults


def _described(device: Device, looked: Mapping[str, Any]) -> dict[str, Any]:
    """What the document has a key for."""
    known = {key: looked[key] for key in result.Device.model_fields if key in looked}
    return {**known, "adapter": type(device.address).__name__.lower()}


def _asked(wish: Wish) -> Iterator[tuple[str | None, str]]:
    """(runtime or None, format) of everything that must be there."""
    for kind in dict.fromkeys(wish.formats):
        fitting = [runtime for runtime in wish.runtimes if kind in runtime.formats]
        yield from ((runtime.name, kind) for runtime in fitting)
        if not fitting:
            yield None, kind
