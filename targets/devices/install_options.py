"""Which runtimes can be installed on a device, by its processor, C library and Pythons."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from targets.devices.facts import DeviceFacts, Interpreter
from targets.devices.wheels import Platform, fetched
from targets.errors import DeviceError
from targets.runtimes import OLDEST_PYTHON, RUNTIMES, Runtime

NO_NUMPY_WHEEL = ("armv7l",)
"""ABIs for which the index has no numpy: the device's own is used."""


@dataclass(frozen=True, kw_only=True)
class InstallOption:
    """One way to install a runtime on a device."""

    runtime: Runtime
    requirements: tuple[str, ...]
    platform: Platform
    base: str
    """Path of the device's own interpreter."""
    own_numpy: bool

    @property
    def key(self) -> str:
        """Name of the environment: the same option gives the same key."""
        parts = (self.runtime.name, self.requirements, asdict(self.platform), self.base)
        content = json.dumps([*parts, self.own_numpy], sort_keys=True)
        return f"{self.runtime.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def wheels(self, cache: Path | None = None) -> Path | None:
        """Return the folder of wheels, as `targets.devices.wheels.fetched` does."""
        return fetched(
            self.requirements, self.platform, cache=cache, dependencies=not self.own_numpy
        )


def install_options(facts: DeviceFacts, format_name: str, *, name: str) -> Iterator[InstallOption]:
    """Every way to have a runtime for a format, the best first: this machine's version of a runtime
    before any other version. `name` is the device's, for errors.
    """
    if not facts.pythons:
        raise DeviceError(
            f"device {name}: no python3 there. Install it (Debian: sudo apt install python3)."
        )
    if facts.libc is None or not facts.libc.startswith("glibc "):
        raise DeviceError(
            f"device {name}: its C library is {facts.libc or 'unknown'}, and the runtimes' wheels "
            "need glibc. Measure there with a native tool: --native."
        )
    glibc_major, _, glibc_minor = facts.libc.split()[1].partition(".")
    for runtime in (each for _, each in RUNTIMES.search() if format_name in each.formats):
        for requirement in _versions(runtime):
            for python in facts.pythons:
                major, minor, *_ = python.version.split(".")
                platform = Platform(
                    abi=facts.abi,
                    glibc=(int(glibc_major), int(glibc_minor)),
                    python=(int(major), int(minor)),
                )
                option = _option(runtime, requirement, platform, python)
                if option is not None:
                    yield option


def _option(
    runtime: Runtime, requirement: str, platform: Platform, python: Interpreter
) -> InstallOption | None:
    if not OLDEST_PYTHON <= platform.python <= (runtime.newest_python or platform.python):
        return None
    own_numpy = platform.abi in NO_NUMPY_WHEEL
    more = runtime.requirements[1:]
    if own_numpy:
        old = any("numpy<2" in each for each in more)
        if python.numpy is None or (old and not python.numpy.startswith("1.")):
            return None
    return InstallOption(
        runtime=runtime,
        requirements=(requirement, *(() if own_numpy else more)),
        platform=platform,
        base=python.path,
        own_numpy=own_numpy,
    )


def _versions(runtime: Runtime) -> list[str]:
    """This machine's version first, so that outputs on both machines can be compared."""
    name = runtime.distribution
    try:
        return [f"{name}=={metadata.version(name)}", runtime.requirements[0]]
    except metadata.PackageNotFoundError:
        return [runtime.requirements[0]]


def nothing_fits(name: str, facts: DeviceFacts, options: Sequence[InstallOption]) -> str:
    """The error for a device for which the index has no wheel of any of `options`."""
    runtimes = ", ".join(dict.fromkeys(each.runtime.distribution for each in options))
    pythons = ", ".join(each.version for each in facts.pythons)
    own = ""
    if facts.abi in NO_NUMPY_WHEEL:
        own = " Its own numpy is needed too: sudo apt install python3-numpy."
    return (
        f"device {name}: no wheel of {runtimes or 'a runtime'} fits it ({facts.abi}, "
        f"{facts.libc}, Python {pythons}).{own} Install another Python there, or measure with "
        "a native tool: --native."
    )
