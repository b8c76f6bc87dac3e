"""A device that is ready to measure: locked, probed, steady, with the runtimes that it needs."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from targets.bench import result
from targets.bench.runner import AgentRunner
from targets.devices.contract import Device, DeviceSession, Provisioned, Say, WantedRuntime
from targets.devices.cooling import Cooling
from targets.devices.cpus import big_cores
from targets.devices.elf import require_runs_on
from targets.devices.facts import DeviceFacts
from targets.devices.lock import opened
from targets.runtimes import RUNTIMES, Runtime


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What must be possible on the device."""

    formats: Sequence[str]
    runtimes: Sequence[Runtime] = ()
    """Runtimes to use; empty: the best that the device can have, for each format."""
    install: bool = True
    native: Path | None = None
    """Google's tool on this machine, to be run on the device."""
    timeout_s: float = 600.0
    """Time limit of one measuring process, in seconds."""


@dataclass(frozen=True, kw_only=True)
class ReadyDevice:
    runner: AgentRunner
    device: dict[str, object]
    """The device as `bench-result/1` describes it."""
    facts: DeviceFacts
    defaults: Mapping[str, Runtime]
    """Format -> the runtime that the device has for it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Name of a runtime -> its version on the device."""
    native_only: bool = False
    """Whether only a native tool measures, because the device has no Python."""

    @property
    def cpus(self) -> int:
        return len(self.facts.cpus) or 1

    @property
    def big_cores(self) -> tuple[int, ...]:
        return tuple(big_cores(self.facts.cpus))


@contextmanager
def connected(
    device: Device,
    requirements: Requirements,
    *,
    scratch: Path,
    say: Say,
    stop: threading.Event | None = None,
) -> Iterator[ReadyDevice]:
    """Exclusive use of the device; `DeviceError` if it cannot be reached or cannot measure."""
    with opened(device, scratch=scratch, say=say) as session, session.steady():
        ready = _prepare(device, session, requirements, scratch, say, stop or threading.Event())
        yield ready
        ready.runner.tidy()


def _prepare(
    device: Device,
    session: DeviceSession,
    requirements: Requirements,
    scratch: Path,
    say: Say,
    stop: threading.Event,
) -> ReadyDevice:
    facts = session.probe()
    if requirements.native is not None:
        require_runs_on(requirements.native, abi=facts.abi, device=device.name)
    native_only = requirements.native is not None and not device.kind.has_python
    provisioned: dict[str, Provisioned] = {}
    defaults: dict[str, Runtime] = {}
    for wanted in () if native_only else _wanted(requirements):
        made = session.provision(facts, wanted, say=say)
        provisioned[made.runtime] = made
        defaults.setdefault(wanted.format, RUNTIMES[made.runtime])
    cooling = Cooling(read=session.temperature, limit_c=device.entry.cooldown_c, say=say, stop=stop)
    runner = AgentRunner(
        link=session.link,
        folder=scratch,
        timeout_s=requirements.timeout_s,
        retry_s=session.retry_s,
        python=lambda runtime: provisioned[runtime.name].python,
        say=say,
        stop=stop,
        cool=cooling,
        conditions=session.conditions,
    )
    return ReadyDevice(
        runner=runner,
        device=described(device, facts),
        facts=facts,
        defaults=defaults,
        versions={name: made.version for name, made in provisioned.items()},
        native_only=native_only,
    )


def described(device: Device, facts: DeviceFacts) -> dict[str, object]:
    """The facts that `bench-result/1` has a key for; optional ones only where they are known."""
    fields = result.Device.model_fields
    values = {**asdict(facts), "python": facts.python}
    known = {
        key: values[key]
        for key, field in fields.items()
        if key in values and (values[key] is not None or field.is_required())
    }
    return {**known, "adapter": device.scheme, "id": facts.id or device.name}


def _wanted(requirements: Requirements) -> Iterator[WantedRuntime]:
    for name in dict.fromkeys(requirements.formats):
        fitting = tuple(one.name for one in requirements.runtimes if name in one.formats)
        for runtime in fitting or (None,):
            yield WantedRuntime(format=name, runtime=runtime, install=requirements.install)
