"""Is a device there, what is it, which runtime would it use, and can it hold its speed."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from targets.bench.archive import packed
from targets.bench.failures import shortened
from targets.devices.addresses import Adb, Local, Ssh
from targets.devices.doctor import FORMATS, Check, cannot_measure
from targets.devices.install_options import Candidate, candidates, nothing_fits
from targets.devices.inventory import Device, open_link
from targets.devices.link import Link
from targets.devices.probe import probe
from targets.devices.provisioning import Provisioned, installed, self_tested
from targets.devices.wheels import fetched
from targets.errors import DeviceError, EdgeDistillError
from targets.processors import saturates
from targets.runtimes import RUNTIMES, Runtime

ROOM_BYTES = 300_000_000
"""For two runtimes with numpy, unpacked, and models."""
FILES_BYTES = 20_000_000
"""For models, where a runtime is there."""
SELF_TEST_S = 120
NOW = {
    0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit",
}  # fmt: skip
"""Bit of `get_throttled`; the same bits 16 higher: since it was switched on."""
PERFORMANCE = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
Facts = Mapping[str, Any]


def device_checks(
    device: Device, *, scratch: Path, wheels: Path, install: bool = True
) -> Iterator[Check]:
    """Every check of one device, as far as it can be reached; wheels are fetched to `wheels`.

    Nothing is installed there. On a device where we keep files our folder is made.
    """
    try:
        link = open_link(device, scratch)
        try:
            yield from _reached(device, link, wheels=wheels, install=install)
        finally:
            link.close()
    except EdgeDistillError as error:
        yield cannot_measure(device.name, error)


def _reached(device: Device, link: Link, *, wheels: Path, install: bool) -> Iterator[Check]:
    if isinstance(device.address, Adb):
        from targets.devices.doctor.android import android_checks

        yield reached(device)
        yield from android_checks(link)
        return
    facts = probe(link)
    yield reached(device)
    yield from conditions(facts)
    if isinstance(device.address, Local):
        yield from (self_test(link, kind) for kind in FORMATS)
        return
    there = installed(link)
    yield from equipment(facts, needed_bytes=FILES_BYTES if there else ROOM_BYTES)
    yield Check(name="our folder", ok=True, found=link.place("").rstrip("/"))
    yield from runtimes(link, facts, there, wheels=wheels, install=install)


def reached(device: Device) -> Check:
    known = ", its host key is known" if isinstance(device.address, Ssh) else ""
    return Check(name="reachable", ok=True, found=f"{device.url}{known}")


def conditions(facts: Facts) -> Iterator[Check]:
    """What decides the speed, of what `probe` saw."""
    yield Check(name="system", ok=True, found=_system(facts))
    yield processor(facts["arch"], facts["cpu_features"])
    if facts["emulated"]:
        yield Check(name="speed", ok=None, found="emulated: its times mean nothing")
    yield governor(facts["cpus"])
    yield throttling(facts["throttled_raw"])


def processor(machine: str, features: Sequence[str] | None) -> Check:
    """What decides how int8 is multiplied there."""
    if not features:
        return Check(name="processor", ok=None, found="its features cannot be read")
    found = ", ".join(features)
    if saturates(machine, features):
        found += "; no VNNI: ONNX Runtime's products with int8 weights saturate, with uint8 not"
    return Check(name="processor", ok=True, found=found)


def equipment(facts: Facts, *, needed_bytes: int) -> Iterator[Check]:
    """What we need on a device that we bring files to."""
    if facts["missing_tools"]:
        yield Check(
            name="tools",
            ok=False,
            found=f"no {', '.join(facts['missing_tools'])}",
            remedy="There: sudo apt install coreutils tar",
        )
    yield pythons(facts)
    yield room(facts["disk_free_bytes"], needed_bytes=needed_bytes)


def _system(facts: Facts) -> str:
    parts = [facts["model"], facts["arch"], facts["os"], facts["libc"]]
    if facts["abi"] != facts["arch"]:
        parts.insert(2, f"programs {facts['abi']}")
    return ", ".join(part for part in parts if part)


def pythons(facts: Facts) -> Check:
    found = [
        f"{each['version']} ({each['path']}{_numpy(each['numpy'])})" for each in facts["pythons"]
    ]
    return Check(
        name="python",
        ok=bool(found),
        found=", ".join(found) or "none",
        remedy="" if found else "There: sudo apt install python3",
    )


def _numpy(version: str | None) -> str:
    return f", numpy {version}" if version else ""


def room(free_bytes: int | None, *, needed_bytes: int) -> Check:
    if free_bytes is None:
        return Check(name="disk", ok=None, found="it does not say how much is free")
    enough = free_bytes >= needed_bytes
    return Check(
        name="disk",
        ok=enough,
        found=f"{free_bytes / 1e6:.0f} MB free",
        remedy="" if enough else f"Make room there: {needed_bytes / 1e6:.0f} MB are needed.",
    )


def governor(cpus: Iterable[Mapping[str, Any]]) -> Check:
    names = sorted({cpu["governor"] for cpu in cpus if cpu["governor"]})
    if not names:
        return Check(name="governor", ok=None, found="not told: frequencies are not seen there")
    steady = names == ["performance"]
    return Check(
        name="governor",
        ok=True if steady else None,
        found=", ".join(names) if steady else f"{', '.join(names)}: the first runs may be slower",
        remedy="" if steady else f"There: {PERFORMANCE}",
    )


def throttling(raw: str | None) -> Check:
    """Of a Raspberry Pi's `get_throttled`, "0x50005"."""
    if raw is None:
        return Check(name="throttling", ok=None, found="not told: no vcgencmd there")
    bits = int(raw, 16)
    now = [name for bit, name in NOW.items() if bits >> bit & 1]
    since = [name for bit, name in NOW.items() if bits >> (bit + 16) & 1]
    if not now and not since:
        return Check(name="throttling", ok=True, found=f"none ({raw})")
    remedy = (
        "Use the power supply that was made for it."
        if {"under-voltage"} & {*now, *since}
        else "Give it a heat sink or a fan, and let it cool down."
    )
    if now:
        return Check(name="throttling", ok=False, found=f"{', '.join(now)} ({raw})", remedy=remedy)
    found = f"not now; since it was switched on: {', '.join(since)} ({raw})"
    return Check(name="throttling", ok=None, found=found, remedy=remedy)


def self_test(link: Link, kind: str) -> Check:
    """The runtime that this Python measures `kind` with: loaded, run and right."""
    runtime = next(each for each in RUNTIMES.values() if kind in each.formats)
    argv = [sys.executable, "-I", link.put(packed(runtime)), "--selftest", runtime.name]
    done = link.run(argv, env=runtime.env, timeout_s=SELF_TEST_S)
    try:
        seen = json.loads(done.stdout)["runtimes"][runtime.name]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        seen = {"ok": False, "version": None, "error": last}
    return Check(
        name=kind,
        ok=seen["ok"],
        found=f"{runtime.distribution} {seen['version']}, tried"
        if seen["ok"]
        else f"{runtime.distribution}: {shortened(seen['error'])}",
        remedy="" if seen["ok"] else _install_here(runtime),
    )


def _install_here(runtime: Runtime) -> str:
    wanted = " ".join(f"'{each}'" for each in runtime.requirements)
    return f"{sys.executable} -m pip install --force-reinstall {wanted}"


def runtimes(
    link: Link, facts: Facts, there: Mapping[str, Provisioned], *, wheels: Path, install: bool
) -> Iterator[Check]:
    """The runtime of each format that a measurement would use; `there`: what we installed."""
    for kind in FORMATS:
        try:
            every = list(candidates(facts, kind, name=link.name))
        except DeviceError as error:
            said = str(error).removeprefix(f"device {link.name}: ")
            yield Check(name=kind, ok=False, found="no runtime", remedy=said)
            continue
        kept = next((each for each in every if each.key in there), None)
        if kept is not None:
            yield _kept(link, kind, kept, there[kept.key].python)
        elif install:
            unfit = nothing_fits(link.name, facts, every).removeprefix(f"device {link.name}: ")
            yield would_get(kind, every, lambda one: _has_wheels(one, wheels), unfit=unfit)
        else:
            yield would_use(
                kind, every, lambda one: _version(self_tested(link, one.runtime, one.base))
            )


def _kept(link: Link, kind: str, candidate: Candidate, python: str) -> Check:
    seen = self_tested(link, candidate.runtime, python)
    name = candidate.runtime.distribution
    if isinstance(seen, str):
        remedy = f"pipeline devices clean {link.name}, and it is installed again."
        return Check(name=kind, ok=False, found=f"{name} is installed: {seen}", remedy=remedy)
    return Check(name=kind, ok=True, found=f"{name} {seen.version}, installed and tried")


def would_get(
    kind: str,
    every: Iterable[Candidate],
    has_wheels: Callable[[Candidate], bool],
    *,
    unfit: str,
) -> Check:
    """The first candidate that there are wheels for; `unfit` is said where there is none."""
    for candidate in every:
        try:
            there = has_wheels(candidate)
        except DeviceError as error:
            return Check(name=kind, ok=False, found="not installed yet", remedy=str(error))
        if there:
            python = ".".join(map(str, candidate.platform.python))
            found = f"{candidate.requirements[0]} will be installed (Python {python})"
            return Check(name=kind, ok=True, found=found)
    return Check(name=kind, ok=False, found="no runtime", remedy=unfit)


def would_use(
    kind: str, every: Iterable[Candidate], version: Callable[[Candidate], str | None]
) -> Check:
    """Where nothing may be installed: the first that works in the device's own Python."""
    for candidate in every:
        found = version(candidate)
        if found is not None:
            name = candidate.runtime.distribution
            return Check(name=kind, ok=True, found=f"{name} {found}, the owner's, tried")
    return Check(name=kind, ok=False, found="none is installed", remedy="Leave out --no-install.")


def _version(seen: Provisioned | str) -> str | None:
    return None if isinstance(seen, str) else seen.version


def _has_wheels(candidate: Candidate, wheels: Path) -> bool:
    folder = fetched(
        candidate.requirements,
        candidate.platform,
        cache=wheels,
        dependencies=not candidate.own_numpy,
    )
    return folder is not None
