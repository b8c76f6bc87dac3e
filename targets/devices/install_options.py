"""Which runtime a device can have: a matter of its processor, its C library and its Pythons."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from targets.devices.wheels import Platform
from targets.errors import DeviceError
from targets.runtimes import OLDEST_PYTHON, RUNTIMES, Runtime

NO_NUMPY_WHEEL = ("armv7l",)
"""The registry has no numpy for it: the device's own is used."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way for a device to have a runtime."""

    runtime: Runtime
    requirements: tuple[str, ...]
    platform: Platform
    base: str
    """Path of the device's own interpreter."""
    own_numpy: bool

    @property
    def key(self) -> str:
        """Names the environment: the same device and the same wish give the same one."""
        platform = asdict(self.platform)
        asked = json.dumps([self.requirements, platform, self.base, self.own_numpy], default=str)
        return f"{self.runtime.name}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"


def candidates(device: Mapping[str, Any], format_name: str, *, name: str) -> Iterator[Candidate]:
    """Every way to have a runtime, the best first: this machine's own version before any other."""
    libc, pythons = device["libc"] or "", device["pythons"]
    if not pythons:
        raise DeviceError(
            f"device {name}: no python3 there. Install it (Debian: sudo apt install python3)."
        )
    if not libc.startswith("glibc "):
        raise DeviceError(
            f"device {name}: its C library is {libc or 'unknown'}, and the runtimes come as wheels "
            "for glibc only. Measure there with a native tool: --native."
        )
    major, _, minor = libc.split()[1].partition(".")
    for runtime in (each for each in RUNTIMES.values() if format_name in each.formats):
        for requirement in _versions(runtime):
            for python in pythons:
                release = python["version"].split(".")
                platform = Platform(
                    abi=device["abi"],
                    glibc=(int(major), int(minor)),
                    python=(int(release[0]), int(release[1])),
                )
                candidate = _candidate(runtime, requirement, platform, python)
                if candidate is not None:
                    yield candidate


def _candidate(
    runtime: Runtime, requirement: str, platform: Platform, python: Mapping[str, Any]
) -> Candidate | None:
    if not OLDEST_PYTHON <= platform.python <= (runtime.newest_python or platform.python):
        return None
    own_numpy = platform.abi in NO_NUMPY_WHEEL
    more = runtime.requirements[1:]
    if own_numpy:
        old = any("numpy<2" in each for each in more)
        if python["numpy"] is None or (old and not python["numpy"].startswith("1.")):
            return None
    return Candidate(
        runtime=runtime,
        requirements=(requirement, *(() if own_numpy else more)),
        platform=platform,
        base=python["path"],
        own_numpy=own_numpy,
    )


def _versions(runtime: Runtime) -> list[str]:
    """With this machine's version the device's outputs can be compared to the host's."""
    name = runtime.distribution
    here = [] if find_spec(runtime.name) is None else [f"{name}=={metadata.version(name)}"]
    return [*here, runtime.requirements[0]]


def nothing_fits(name: str, device: Mapping[str, Any], wanted: Sequence[Candidate]) -> str:
    runtimes = ", ".join(dict.fromkeys(each.runtime.distribution for each in wanted))
    pythons = ", ".join(each["version"] for each in device["pythons"])
    own = ""
    if device["abi"] in NO_NUMPY_WHEEL:
        own = " Its own numpy is needed too: sudo apt install python3-numpy."
    return (
        f"device {name}: no wheel of {runtimes or 'a runtime'} fits it ({device['abi']}, "
        f"{device['libc']}, Python {pythons}).{own} Install another Python there, or measure with "
        "a native tool: --native."
    )
