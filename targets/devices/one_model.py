"""The devices of a fleet are of one model, so that it does not matter which one measures."""

import re
from collections.abc import Iterator, Mapping

from targets.devices.connection import ReadyDevice
from targets.devices.facts import DeviceFacts
from targets.errors import InputError, printable

REVISION = re.compile(r"\s+Rev\s+\S+$")
"""Of a Raspberry Pi's board. One with another clock differs in its highest frequency."""


def require_one_model(devices: Mapping[str, ReadyDevice]) -> None:
    """Raise `InputError` for two devices whose times cannot be those of one."""
    first, *others = devices
    for other in others:
        for what, one, another in _differences(devices[first], devices[other]):
            raise InputError(
                f"--device {','.join(devices)}: the devices of a fleet must be alike, but the "
                f"{what} of {first} is {printable(str(one))}, and of {other} "
                f"{printable(str(another))}. Give {other} a --device of its own: then both are "
                "measured, and the slower one counts."
            )


def _differences(one: ReadyDevice, other: ReadyDevice) -> Iterator[tuple[str, object, object]]:
    first, second = ({**model(d.facts), "runtime": _runtimes(d)} for d in (one, other))
    return ((key, first[key], second[key]) for key in first if first[key] != second[key])


def model(facts: DeviceFacts) -> dict[str, str | int]:
    """What devices must have in common for their times to be comparable."""
    fastest = max((cpu.max_hz for cpu in facts.cpus if cpu.max_hz), default=None)
    return {
        "board": REVISION.sub("", facts.model or "") or "unknown",
        "processor": facts.soc or "unknown",
        "architecture": facts.abi,
        "features of the processor": ", ".join(sorted(facts.cpu_features or ())) or "unknown",
        "number of CPUs": len(facts.cpus),
        "highest frequency": "unknown" if fastest is None else f"{fastest / 1e6:.0f} MHz",
    }


def _runtimes(device: ReadyDevice) -> str:
    found = sorted(f"{name} {version}" for name, version in device.versions.items())
    return ", ".join(found) or "none"
