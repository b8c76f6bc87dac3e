"""Checks of a device's facts: what it is, what decides its speed, what a measurement needs."""

from collections.abc import Iterable, Iterator, Sequence

from targets.devices.doctor import Check
from targets.devices.facts import Cpu, DeviceFacts
from targets.processors import saturates

ROOM_BYTES = 300_000_000
"""Free bytes needed for two runtimes with numpy, unpacked, and models."""
FILES_BYTES = 20_000_000
"""Free bytes needed for models, where a runtime is installed."""
NOW = {
    0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit",
}  # fmt: skip
"""Bit of `get_throttled`; the same bits 16 higher: since it was switched on."""
PERFORMANCE = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def reachable(how: str) -> Check:
    return Check(name="reachable", ok=True, found=how)


def conditions(facts: DeviceFacts) -> Iterator[Check]:
    """Check what decides the speed."""
    yield Check(name="system", ok=True, found=_system(facts))
    yield processor(facts.arch, facts.cpu_features)
    yield from emulation(facts)
    yield governor(facts.cpus)
    yield throttling(facts.throttled_raw)


def emulation(facts: DeviceFacts) -> Iterator[Check]:
    if facts.emulated:
        yield Check(name="speed", ok=None, found="emulated: its times mean nothing")


def _system(facts: DeviceFacts) -> str:
    parts = [facts.model, facts.arch, facts.os, facts.libc]
    if facts.abi != facts.arch:
        parts.insert(2, f"programs {facts.abi}")
    return ", ".join(part for part in parts if part)


def processor(machine: str, features: Sequence[str] | None) -> Check:
    """Check what decides how int8 is multiplied on the device."""
    if not features:
        return Check(name="processor", ok=None, found="its features cannot be read")
    found = ", ".join(features)
    if saturates(machine, features):
        found += "; no VNNI: ONNX Runtime's products with int8 weights saturate, with uint8 not"
    return Check(name="processor", ok=True, found=found)


def equipment(facts: DeviceFacts, *, has_runtime: bool) -> Iterator[Check]:
    """Check what a device needs if files are copied to it."""
    if facts.missing_tools:
        yield Check(
            name="tools",
            ok=False,
            found=f"no {', '.join(facts.missing_tools)}",
            remedy="There: sudo apt install coreutils tar",
        )
    yield pythons(facts)
    yield room(facts.disk_free_bytes, needed_bytes=FILES_BYTES if has_runtime else ROOM_BYTES)


def pythons(facts: DeviceFacts) -> Check:
    found = [
        f"{each.version} ({each.path}{f', numpy {each.numpy}' if each.numpy else ''})"
        for each in facts.pythons
    ]
    return Check(
        name="python",
        ok=bool(found),
        found=", ".join(found) or "none",
        remedy="" if found else "There: sudo apt install python3",
    )


def room(free_bytes: int | None, *, needed_bytes: int) -> Check:
    if free_bytes is None:
        return Check(name="disk", ok=None, found="its free space cannot be read")
    enough = free_bytes >= needed_bytes
    return Check(
        name="disk",
        ok=enough,
        found=f"{free_bytes / 1e6:.0f} MB free",
        remedy="" if enough else f"Make room there: {needed_bytes / 1e6:.0f} MB are needed.",
    )


def governor(cpus: Iterable[Cpu]) -> Check:
    names = sorted({cpu.governor for cpu in cpus if cpu.governor})
    if not names:
        return Check(name="governor", ok=None, found="unknown: no frequencies can be read there")
    steady = names == ["performance"]
    return Check(
        name="governor",
        ok=True if steady else None,
        found=", ".join(names) if steady else f"{', '.join(names)}: the first runs may be slower",
        remedy="" if steady else f"There: {PERFORMANCE}",
    )


def throttling(raw: str | None) -> Check:
    """Check a Raspberry Pi's `get_throttled`, such as "0x50005"."""
    if raw is None:
        return Check(name="throttling", ok=None, found="unknown: no vcgencmd there")
    bits = int(raw, 16)
    now = [name for bit, name in NOW.items() if bits >> bit & 1]
    since = [name for bit, name in NOW.items() if bits >> (bit + 16) & 1]
    if not now and not since:
        return Check(name="throttling", ok=True, found=f"none ({raw})")
    remedy = (
        "Use the power supply that was made for it."
        if "under-voltage" in (*now, *since)
        else "Give it a heat sink or a fan, and let it cool down."
    )
    if now:
        return Check(name="throttling", ok=False, found=f"{', '.join(now)} ({raw})", remedy=remedy)
    found = f"not now; since it was switched on: {', '.join(since)} ({raw})"
    return Check(name="throttling", ok=None, found=found, remedy=remedy)
