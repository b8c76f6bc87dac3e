"""Put on a device what it needs to measure: an interpreter and one runtime, in a folder of ours.

The wheels come from this machine and are unpacked there by the device's own Python, into a virtual
environment without pip: Debian's `python3` has no ensurepip, an older pip there does not know the
newer platform tags, and the wheels were already chosen for that device here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from targets.bench.archive import packed
from targets.bench.failures import shortened
from targets.devices.install_options import Candidate, candidates, nothing_fits
from targets.devices.link import Completed, Link
from targets.devices.local.link import LocalLink
from targets.devices.wheels import fetched
from targets.errors import DeviceError
from targets.runtimes import RUNTIMES, Runtime, runtime_for
from targets.runtimes.environment import python_for

Say = Callable[[str], None]
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


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """What runs the agent on a device: `python` is an interpreter's path there."""

    runtime: str
    version: str
    numpy: str
    python: str
    reused: bool

    @property
    def env(self) -> dict[str, str]:
        return RUNTIMES[self.runtime].env


def provision(
    link: Link,
    device: Mapping[str, Any],
    format_name: str,
    *,
    cache: Path,
    say: Say,
    install: bool = True,
    runtime: str | None = None,
) -> Provisioned:
    """A runtime for files of `format_name` on the device that `probe` saw; the first that it can
    have, or `runtime`. What an earlier call put there is used again; `install` False puts nothing
    there.
    """
    if isinstance(link, LocalLink):
        chosen = runtime_for(format_name) if runtime is None else RUNTIMES[runtime]
        return _local(link, chosen, install=install, say=say)
    every = candidates(device, format_name, name=link.name)
    wanted = [each for each in every if runtime in (None, each.runtime.name)]
    there = installed(link)
    for candidate in wanted:
        if candidate.key in there:
            return there[candidate.key]
    if not install:
        return _uninstalled(link, wanted)
    for candidate in wanted:
        wheels = fetched(
            candidate.requirements,
            candidate.platform,
            cache=cache,
            dependencies=not candidate.own_numpy,
        )
        if wheels is not None:
            say(f"device    {link.name}: installing {candidate.requirements[0]}")
            return _install(link, candidate, wheels)
    raise DeviceError(nothing_fits(link.name, device, wanted))


def _local(link: LocalLink, runtime: Runtime, *, install: bool, say: Say) -> Provisioned:
    """The Python here that holds the runtime: this one, or an environment of the runtime's own."""
    python = str(python_for(runtime, install=install, say=say))
    tried = self_tested(link, runtime, python)
    if isinstance(tried, str):
        raise DeviceError(f"device {link.name}: {runtime.name}: {tried}")
    return replace(tried, reused=True)


def installed(link: Link) -> dict[str, Provisioned]:
    """What earlier calls put on the device, by its key."""
    script = 'for each in "$1"*/"$2"; do if [ -f "$each" ]; then cat "$each"; fi; done'
    argv = ["sh", "-c", script, "sh", link.place("env-"), INSTALLED]
    lines = link.run(argv, env={}, timeout_s=LIMIT_S).stdout.splitlines()
    markers = [json.loads(line) for line in lines]
    return {marker.pop("key"): Provisioned(**marker, reused=True) for marker in markers}


def _uninstalled(link: Link, wanted: Sequence[Candidate]) -> Provisioned:
    """The runtime that the device's owner installed, where nothing may be put there."""
    for candidate in {(each.runtime.name, each.base): each for each in wanted}.values():
        tried = self_tested(link, candidate.runtime, candidate.base)
        if isinstance(tried, Provisioned):
            return replace(tried, reused=True)
    names = ", ".join(dict.fromkeys(each.runtime.distribution for each in wanted))
    raise DeviceError(
        f"device {link.name}: none of {names} is installed there. Leave out --no-install, or "
        "install one for its own python3."
    )


def _install(link: Link, candidate: Candidate, wheels: Path) -> Provisioned:
    folder = link.place(f"env-{candidate.key}")
    site = "--system-site-packages" if candidate.own_numpy else ""
    argv = ["sh", "-c", INSTALL, "sh", folder, candidate.base, site, UNPACK, link.put(wheels)]
    done = link.run(argv, env={}, timeout_s=LIMIT_S)
    tried = (
        self_tested(link, candidate.runtime, f"{folder}/bin/python")
        if done.returncode == 0
        else _unpacked_not(link.name, candidate, done)
    )
    if isinstance(tried, str):
        link.run(["rm", "-rf", "--", folder], env={}, timeout_s=LIMIT_S)
        what = f"device {link.name}: {candidate.requirements[0]} could not be installed"
        raise DeviceError(f"{what}: {tried}")
    mark(link, candidate, tried, f"{folder}/{INSTALLED}")
    return tried


def mark(link: Link, candidate: Candidate, made: Provisioned, to: str) -> None:
    """Written last: an environment without it is made anew."""
    marker = {"key": candidate.key, **asdict(made)}
    del marker["reused"]
    write = 'printf "%s\\n" "$2" > "$1.part" && mv -- "$1.part" "$1"'
    argv = ["sh", "-c", write, "sh", to, json.dumps(marker)]
    if link.run(argv, env={}, timeout_s=LIMIT_S).returncode != 0:
        raise DeviceError(f"device {link.name}: could not write {to}. Is its disk full?")


def self_tested(link: Link, runtime: Runtime, python: str) -> Provisioned | str:
    """What the agent's own test says of the runtime there: loaded, run and right; or why not."""
    name = runtime.name
    argv = [python, "-I", link.put(packed(runtime)), "--selftest", name]
    done = link.run(argv, env=runtime.env, timeout_s=LIMIT_S)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return f"its self-test failed: {_last(done)}."
    seen = said["runtimes"][name]
    if not seen["ok"]:
        return (
            f"its self-test failed: {shortened(seen['error'])}. The wheel may be made "
            "for another processor: measure there with a native tool (--native)."
        )
    return Provisioned(
        runtime=name, version=seen["version"], numpy=said["numpy"], python=python, reused=False
    )


def _unpacked_not(name: str, candidate: Candidate, done: Completed) -> str:
    if done.timed_out:
        return f"not done after {LIMIT_S} s. Is its disk in order?"
    if "No space left" in done.stderr:
        return f"its disk is full. Make room there, or: pipeline devices clean {name}."
    return f"{_last(done)}. Try it there by hand: {candidate.base} -m venv --without-pip x."


def _last(done: Completed) -> str:
    return (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
