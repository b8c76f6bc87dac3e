"""Put on a device what it needs to measure: an interpreter and one runtime, in a folder of ours.

The wheels come from this machine and are unpacked there by the device's own Python, into a virtual
environment without pip: Debian's `python3` has no ensurepip, an older pip there does not know the
newer platform tags, and the wheels were already chosen for that device here.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from targets.errors import DeviceError
from targets.links.link import Completed, Link
from targets.links.local import LocalLink
from targets.runtimes import RUNTIMES, Runtime, runtime_for
from targets.wheels import Platform, fetched

Say = Callable[[str], None]
LIMIT_S = 300
NEEDS_NUMPY_1 = "tflite_runtime"
NO_NUMPY_WHEEL = ("armv7l",)
"""The registry has no numpy for it: the device's own is used."""
INSTALLED = "installed.json"
ENDED_BY = {128 + 4: "SIGILL", 128 + 7: "SIGBUS", 128 + 11: "SIGSEGV"}

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
CHECK = """
import importlib, sys
from importlib import metadata
import numpy
importlib.import_module(sys.argv[1])
print(metadata.version(sys.argv[2]), numpy.__version__)
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
        asked = json.dumps(asdict(self), sort_keys=True, default=str)
        return f"{self.runtime.name}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"


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
        return _local(runtime_for(format_name) if runtime is None else RUNTIMES[runtime])
    every = candidates(device, format_name, name=link.name)
    wanted = [each for each in every if runtime in (None, each.runtime.name)]
    there = _installed(link)
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
    raise DeviceError(_nothing(link.name, device, wanted))


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
    own_numpy = platform.abi in NO_NUMPY_WHEEL
    old = runtime.name == NEEDS_NUMPY_1
    if own_numpy and (python["numpy"] is None or (old and not python["numpy"].startswith("1."))):
        return None
    more = ("numpy<2",) if old and not own_numpy else ()
    return Candidate(
        runtime=runtime,
        requirements=(requirement, *more),
        platform=platform,
        base=python["path"],
        own_numpy=own_numpy,
    )


def _versions(runtime: Runtime) -> list[str]:
    """With this machine's version the device's outputs can be compared to the host's."""
    name = runtime.distribution
    here = [] if find_spec(runtime.name) is None else [f"{name}=={metadata.version(name)}"]
    return [*here, name]


def _local(runtime: Runtime) -> Provisioned:
    """This interpreter, with what is installed in it."""
    if find_spec(runtime.name) is None:
        raise DeviceError(
            f"device local: {runtime.name} is not installed. Install it: "
            f"python -m pip install '{runtime.distribution}'."
        )
    return Provisioned(
        runtime=runtime.name,
        version=metadata.version(runtime.distribution),
        numpy=metadata.version("numpy"),
        python=sys.executable,
        reused=True,
    )


def _installed(link: Link) -> dict[str, Provisioned]:
    """What earlier calls put on the device, by its key."""
    script = 'for each in "$1"*/"$2"; do if [ -f "$each" ]; then cat "$each"; fi; done'
    argv = ["sh", "-c", script, "sh", link.place("env-"), INSTALLED]
    lines = link.run(argv, timeout_s=LIMIT_S).stdout.splitlines()
    markers = [json.loads(line) for line in lines]
    return {marker.pop("key"): Provisioned(**marker, reused=True) for marker in markers}


def _uninstalled(link: Link, wanted: Sequence[Candidate]) -> Provisioned:
    """The runtime that the device's owner installed, where nothing may be put there."""
    for candidate in {(each.runtime.name, each.base): each for each in wanted}.values():
        done = _imported(link, candidate, candidate.base)
        if done.returncode == 0:
            return _seen(candidate, candidate.base, done.stdout, reused=True)
    names = ", ".join(dict.fromkeys(each.runtime.distribution for each in wanted))
    raise DeviceError(
        f"device {link.name}: none of {names} is installed there. Leave out --no-install, or "
        "install one for its own python3."
    )


def _install(link: Link, candidate: Candidate, wheels: Path) -> Provisioned:
    folder = link.place(f"env-{candidate.key}")
    python = f"{folder}/bin/python"
    site = "--system-site-packages" if candidate.own_numpy else ""
    argv = ["sh", "-c", INSTALL, "sh", folder, candidate.base, site, UNPACK, link.put(wheels)]
    done = link.run(argv, timeout_s=LIMIT_S)
    if done.returncode == 0:
        done = _imported(link, candidate, python)
    if done.returncode != 0:
        link.run(["rm", "-rf", "--", folder], timeout_s=LIMIT_S)
        raise DeviceError(_why(link.name, candidate, done))
    made = _seen(candidate, python, done.stdout, reused=False)
    marker = {"key": candidate.key, **asdict(made)}
    del marker["reused"]
    write = 'printf "%s\\n" "$2" > "$1.part" && mv -- "$1.part" "$1"'
    argv = ["sh", "-c", write, "sh", f"{folder}/{INSTALLED}", json.dumps(marker)]
    if link.run(argv, timeout_s=LIMIT_S).returncode != 0:
        raise DeviceError(f"device {link.name}: could not write {folder}/{INSTALLED}.")
    return made


def _imported(link: Link, candidate: Candidate, python: str) -> Completed:
    runtime = candidate.runtime
    module = runtime.name if runtime.name == "onnxruntime" else f"{runtime.name}.interpreter"
    argv = [python, "-I", "-c", CHECK, module, runtime.distribution]
    return link.run(argv, env=runtime.env, timeout_s=LIMIT_S)


def _seen(candidate: Candidate, python: str, printed: str, *, reused: bool) -> Provisioned:
    version, numpy = printed.split()
    return Provisioned(
        runtime=candidate.runtime.name, version=version, numpy=numpy, python=python, reused=reused
    )


def _why(name: str, candidate: Candidate, done: Completed) -> str:
    what = f"device {name}: {candidate.requirements[0]} could not be installed"
    last = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
    if done.timed_out:
        return f"{what}: not done after {LIMIT_S} s. Is its disk in order?"
    if "No space left" in done.stderr:
        return f"{what}: its disk is full. Make room there, or: pipeline devices clean {name}."
    if done.returncode in ENDED_BY:
        return (
            f"{what}: it was ended by {ENDED_BY[done.returncode]}: the wheel is made for another "
            "processor. Measure there with a native tool: --native."
        )
    return f"{what}: {last}. Try it there by hand: {candidate.base} -m venv --without-pip x."


def _nothing(name: str, device: Mapping[str, Any], wanted: Sequence[Candidate]) -> str:
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
