"""Install an interpreter with one runtime on a device, in our folder.

The wheels come from this machine. The device's own Python unpacks them into a virtual environment
without pip: Debian's `python3` has no ensurepip, an older pip does not know the newer platform
tags, and the wheels were already chosen for the device on this machine.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from targets.bench.archive import packed
from targets.bench.failures import shortened
from targets.devices.contract import Completed, Link, Provisioned, Say, WantedRuntime
from targets.devices.facts import DeviceFacts
from targets.devices.install_options import InstallOption, install_options, nothing_fits
from targets.errors import DeviceError
from targets.runtimes import Runtime

LIMIT_S = 300
INSTALLED = "installed.json"

UNPACK = """
import glob, os, sys, zipfile
into, wheels = sys.argv[1:]
for name in sorted(glob.glob(os.path.join(glob.escape(wheels), "*.whl"))):
    with zipfile.ZipFile(name) as wheel:
        if any(".data/p" in entry for entry in wheel.namelist()):  # purelib, platlib
            sys.exit("cannot unpack " + os.path.basename(name) + ": it has a .data folder")
        wheel.extractall(into)
"""
INSTALL = """set -e
rm -rf -- "$1"
"$2" -m venv --without-pip $3 -- "$1"
site=$("$1/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
"$1/bin/python" -I -c "$4" "$site" "$5"
rm -rf -- "$5"
"""


def provision(
    link: Link,
    facts: DeviceFacts,
    wanted: WantedRuntime,
    *,
    say: Say,
    cache: Path | None = None,
) -> Provisioned:
    """The first runtime that fits. What an earlier call installed is used again; where nothing may
    be installed, the device's own Python must have it. Raises `DeviceError`.
    """
    every = install_options(facts, wanted.format, name=link.name)
    options = [each for each in every if wanted.runtime in (None, each.runtime.name)]
    there = installed(link)
    for option in options:
        if option.key in there:
            return there[option.key]
    if not wanted.install:
        return _owners(link, options)
    for option in options:
        wheels = option.wheels(cache)
        if wheels is not None:
            say(f"device    {link.name}: installing {option.requirements[0]}")
            return _install(link, option, wheels)
    raise DeviceError(nothing_fits(link.name, facts, options))


def installed(link: Link) -> dict[str, Provisioned]:
    """What earlier calls installed on the device, by `InstallOption.key`."""
    script = 'for each in "$1"*/"$2"; do if [ -f "$each" ]; then cat "$each"; fi; done'
    argv = ["sh", "-c", script, "sh", link.remote_path("env-"), INSTALLED]
    lines = link.run(argv, env={}, timeout_s=LIMIT_S).stdout.splitlines()
    markers = [json.loads(line) for line in lines]
    return {marker.pop("key"): Provisioned(**marker, reused=True) for marker in markers}


def _owners(link: Link, options: Sequence[InstallOption]) -> Provisioned:
    """A runtime that the device's owner installed."""
    for option in {(each.runtime.name, each.base): each for each in options}.values():
        tested = self_test(link, option.runtime, option.base)
        if isinstance(tested, Provisioned):
            return replace(tested, reused=True)
    names = ", ".join(dict.fromkeys(each.runtime.distribution for each in options))
    raise DeviceError(
        f"device {link.name}: none of {names} is installed there. Leave out --no-install, or "
        "install one for its own python3."
    )


def _install(link: Link, option: InstallOption, wheels: Path) -> Provisioned:
    folder = link.remote_path(f"env-{option.key}")
    site = "--system-site-packages" if option.own_numpy else ""
    argv = ["sh", "-c", INSTALL, "sh", folder, option.base, site, UNPACK, link.push(wheels)]
    done = link.run(argv, env={}, timeout_s=LIMIT_S)
    tested = (
        self_test(link, option.runtime, f"{folder}/bin/python")
        if done.returncode == 0
        else _install_failure(link.name, option, done)
    )
    if isinstance(tested, str):
        link.run(["rm", "-rf", "--", folder], env={}, timeout_s=LIMIT_S)
        what = f"device {link.name}: {option.requirements[0]} could not be installed"
        raise DeviceError(f"{what}: {tested}")
    mark_installed(link, option, tested, folder)
    return tested


def mark_installed(link: Link, option: InstallOption, made: Provisioned, folder: str) -> None:
    """Written last: a folder without this file is installed anew."""
    marker = {"key": option.key, **asdict(made)}
    del marker["reused"]
    to = f"{folder}/{INSTALLED}"
    write = 'printf "%s\\n" "$2" > "$1.part" && mv -- "$1.part" "$1"'
    argv = ["sh", "-c", write, "sh", to, json.dumps(marker)]
    if link.run(argv, env={}, timeout_s=LIMIT_S).returncode != 0:
        raise DeviceError(f"device {link.name}: could not write {to}. Is its disk full?")


def self_test(link: Link, runtime: Runtime, python: str) -> Provisioned | str:
    """Whether `python` loads the runtime and runs a model correctly; if not, why."""
    argv = [python, "-I", link.push(packed(runtime)), "--selftest", runtime.name]
    done = link.run(argv, env=runtime.env, timeout_s=LIMIT_S)
    try:
        report = json.loads(done.stdout)
        tested = report["runtimes"][runtime.name]
    except ValueError:
        return f"its self-test failed: {_last_line(done)}."
    if not tested["ok"]:
        return (
            f"its self-test failed: {shortened(tested['error'])}. The wheel may be built "
            "for another processor: measure there with a native tool (--native)."
        )
    return Provisioned(
        runtime=runtime.name,
        version=tested["version"],
        numpy=report["numpy"],
        python=python,
        reused=False,
    )


def _install_failure(name: str, option: InstallOption, done: Completed) -> str:
    if done.timed_out:
        return f"not done after {LIMIT_S} s. Is its disk in order?"
    if "No space left" in done.stderr:
        return f"its disk is full. Make room there, or: pipeline devices clean {name}."
    return f"{_last_line(done)}. Try it there by hand: {option.base} -m venv --without-pip x."


def _last_line(done: Completed) -> str:
    return (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
