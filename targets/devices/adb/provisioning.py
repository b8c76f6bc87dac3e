"""Experimental: a whole Python with one runtime on an Android device, which has none.

Tried in emulation only: the filter for system calls that apps live under is not set for adb's
shell, but no phone was used. So the agent's own test decides, each time.
"""

from collections.abc import Mapping
from pathlib import Path

from targets.devices.arm_python import bundle
from targets.devices.contract import Link, Provisioned, Say, WantedRuntime
from targets.devices.install_options import InstallOption, install_options, nothing_fits
from targets.devices.provisioning import LIMIT_S, installed, mark_installed, self_test
from targets.errors import DeviceError
from targets.runtimes import RUNTIMES

ABI = "arm64-v8a"


def provision(
    link: Link, abi: str, wanted: WantedRuntime, *, say: Say, cache: Path | None = None
) -> Provisioned:
    """Provide a runtime as `targets.devices.provisioning.provision` does; `cache` [default: in the
    user's cache folder] holds the bundles and their wheels.
    """
    from platformdirs import user_cache_path

    if abi != ABI:
        raise DeviceError(
            f"device {link.name}: the Python bundle is for {ABI}, the device is {abi}. "
            "Measure its latency with a native tool: --native."
        )
    there = installed(link)
    if not wanted.install:
        return _kept(link, there, wanted)
    cache = cache or user_cache_path("edge-distill") / "android"
    python = bundle.interpreter(cache)
    facts = bundle.facts(python)
    options = [
        each
        for each in install_options(facts, wanted.format, name=link.name)
        if wanted.runtime in (None, each.runtime.name)
    ]
    for option in options:
        if option.key in there:
            return there[option.key]
    for option in options:
        wheels = option.wheels(cache / "wheels")
        if wheels is not None:
            say(f"device    {link.name}: installing a Python (experimental), {option.key}")
            folder = bundle.with_wheels(python, wheels, cache=cache, key=option.key)
            return _install(link, option, folder)
    raise DeviceError(nothing_fits(link.name, facts, options))


def _kept(link: Link, there: Mapping[str, Provisioned], wanted: WantedRuntime) -> Provisioned:
    """The best runtime of those that are installed; nothing is made on this machine."""
    for each in RUNTIMES.values():
        if wanted.format in each.formats and wanted.runtime in (None, each.name):
            for found in there.values():
                if found.runtime == each.name:
                    return found
    raise DeviceError(
        f"device {link.name}: no Python bundle there. Leave out --no-install, or measure with "
        "a native tool: --native."
    )


def _install(link: Link, option: InstallOption, folder: Path) -> Provisioned:
    python = f"{link.push(folder)}/python"
    tested = self_test(link, option.runtime, python)
    if isinstance(tested, str):
        raise DeviceError(
            f"device {link.name}: the Python bundle (experimental) does not work there: {tested} "
            "Measure its latency with a native tool: --native."
        )
    marked = link.remote_path(f"env-{option.key}")
    link.run(["mkdir", "-p", marked], env={}, timeout_s=LIMIT_S)
    mark_installed(link, option, tested, marked)
    return tested
