"""A device that can measure: locked, looked at, with the runtimes that it needs."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.bench import result
from targets.bench.runner import AgentRunner
from targets.devices.adb import bundle, settings
from targets.devices.adb import probe as android_probe
from targets.devices.addresses import Adb, Local
from targets.devices.cooling import Cooling, temperature
from targets.devices.cpus import big_cores, probe_local
from targets.devices.inventory import Device, open_link
from targets.devices.link import Link
from targets.devices.local.link import LocalLink
from targets.devices.lock import alone
from targets.devices.probe import probe
from targets.devices.provisioning import Provisioned, provision
from targets.runtimes import RUNTIMES, Runtime

RETRY_S = 180.0
"""A Raspberry Pi starts in a minute or two."""


@dataclass(frozen=True, kw_only=True)
class Connected:
    runner: AgentRunner
    device: dict[str, Any]
    """As `bench-result/1` describes it."""
    defaults: Mapping[str, Runtime]
    """By format, the runtime that the device can have."""

    @property
    def cpus(self) -> int:
        return len(self.device["cpus"]) or 1

    @property
    def big_cores(self) -> tuple[int, ...]:
        return tuple(big_cores(self.device["cpus"]))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be possible on the device."""

    formats: Sequence[str]
    runtimes: Sequence[Runtime] = ()
    """Empty: the best that it can have, for each format."""
    install: bool = True
    native_only: bool = False
    """Nothing but Google's tool: no Python is brought."""
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
            with _steady(device, link):
                looked = _looked(device, link)
                runner, defaults = _ready(device, link, looked, wish, scratch, say, stop)
                yield Connected(runner=runner, device=_described(device, looked), defaults=defaults)
                runner.tidy()
        finally:
            link.close()


def _looked(device: Device, link: Link) -> dict[str, Any]:
    match device.address:
        case Local():
            return probe_local()
        case Adb():
            return android_probe.probe(link)
    return probe(link)


def _steady(device: Device, link: Link) -> AbstractContextManager[None]:
    """A phone's screen stays on while it is measured, and is as before afterwards."""
    return settings.steady(link) if isinstance(device.address, Adb) else nullcontext()


def _ready(
    device: Device,
    link: Link,
    looked: Mapping[str, Any],
    wish: Wish,
    scratch: Path,
    say: Callable[[str], None],
    stop: threading.Event | None,
) -> tuple[AgentRunner, dict[str, Runtime]]:
    from platformdirs import user_cache_path

    stop = stop or threading.Event()
    cache = user_cache_path("edge-distill")
    is_android = isinstance(device.address, Adb)
    bring = bundle.provisioned if is_android else provision
    provisioned: dict[str, Provisioned] = {}
    defaults: dict[str, Runtime] = {}
    for name, kind in _asked(wish):
        found = bring(
            link,
            looked,
            kind,
            cache=cache / ("android" if is_android else "wheels"),
            say=say,
            install=wish.install,
            runtime=name,
        )
        provisioned[found.runtime] = found
        defaults.setdefault(kind, RUNTIMES[found.runtime])
    runner = AgentRunner(
        link=link,
        folder=scratch,
        timeout_s=wish.timeout_s,
        retry_s=0.0 if isinstance(link, LocalLink) else RETRY_S,
        python=lambda runtime: provisioned[runtime.name].python,
        say=say,
        stop=stop,
        cool=_cooling(device, link, say, stop),
        conditions=lambda: android_probe.conditions(link) if is_android else {},
    )
    return runner, defaults


def _cooling(
    device: Device, link: Link, say: Callable[[str], None], stop: threading.Event
) -> Callable[[], None]:
    """This machine is not waited for: it has other things to do, and the sentinel tells."""
    if isinstance(link, LocalLink):
        return lambda: None
    return Cooling(read=lambda: temperature(link), limit_c=device.cooldown_c, say=say, stop=stop)


def _described(device: Device, looked: Mapping[str, Any]) -> dict[str, Any]:
    """What the document has a key for."""
    known = {key: looked[key] for key in result.Device.model_fields if key in looked}
    return {
        "id": device.name,
        "libc": None,
        **known,
        "adapter": type(device.address).__name__.lower(),
    }


def _asked(wish: Wish) -> Iterator[tuple[str | None, str]]:
    """(runtime or None, format) of everything that must be there."""
    if wish.native_only:
        return
    for kind in dict.fromkeys(wish.formats):
        fitting = [runtime for runtime in wish.runtimes if kind in runtime.formats]
        yield from ((runtime.name, kind) for runtime in fitting)
        if not fitting:
            yield None, kind
