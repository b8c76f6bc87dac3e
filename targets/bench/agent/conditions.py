"""The state of the device around a measurement; None for what it does not report."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import statistics
import subprocess
from typing import NamedTuple

from targets.bench.agent.job import clock
from targets.bench.agent.kernel import PROC, SYS, read, read_all

SENTINEL, SENTINEL_ROUNDS, SENTINEL_REPEATS = bytes(16 << 10), 256, 5
SHORTEST_NS = 200_000_000  # the kernel counts busy time in ticks of 10 ms, each core on its own


def environment(*, proc: str = PROC, sysfs: str = SYS) -> dict[str, object]:
    """What can make a block invalid."""
    load = read(f"{proc}/loadavg").split()
    temperatures = whole(read_all(f"{sysfs}/class/thermal/thermal_zone*/temp"))
    cores = f"{sysfs}/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_"
    return {
        "loadavg1": float(load[0]) if load else None,
        "runnable": int(load[3].partition("/")[0]) if load else None,
        "temp_c": max(temperatures) / 1000 if temperatures else None,
        "freq_hz": [khz * 1000 for khz in whole(read_all(cores + "cur_freq"))] or None,
        "governor": read_all(cores + "governor") or None,
        "throttled_raw": throttled(),
        "sentinel_ns": sentinel_ns(),
    }


def whole(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def throttled() -> str | None:
    """A Raspberry Pi's throttle bits, "0x50000"."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "get_throttled"], capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, _, bits = done.stdout.decode("ascii", "replace").strip().partition("=")
    return bits if name == "throttled" else None


def sentinel_ns() -> int:
    """The median time of a fixed piece of work, 4 MiB hashed from the first-level cache.

    It grows when the clock falls or others use this core, and does not depend on what the model
    left in the other caches or in memory. One repeat is about as long as the kernel's time slice.
    """

    def repeat() -> int:
        begun, digest = clock(), hashlib.sha256()
        for _ in range(SENTINEL_ROUNDS):
            digest.update(SENTINEL)
        return clock() - begun

    return int(statistics.median(repeat() for _ in range(SENTINEL_REPEATS)))


class Usage(NamedTuple):
    """Use since the start of the process; `busy_ns`: of all cores, since that of the machine."""

    wall_ns: int
    cpu_ns: int
    voluntary: int
    involuntary: int
    busy_ns: int | None


def usage() -> Usage:
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ns = int((own.ru_utime + own.ru_stime) * 1e9)
    return Usage(clock(), cpu_ns, own.ru_nvcsw, own.ru_nivcsw, busy_ns())


def busy_ns(*, proc: str = PROC) -> int | None:
    """Time that the cores of this machine were in use, by other guests of its host too."""
    name, *ticks = (read(f"{proc}/stat") or "none").splitlines()[0].split()
    if name != "cpu" or len(ticks) < 8:
        return None
    user, nice, system, _, _, irq, softirq, stolen = map(int, ticks[:8])
    busy = user + nice + system + irq + softirq + stolen
    return busy * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def used(before: Usage, after: Usage) -> dict[str, object]:
    """What this process and all others used between two `usage` calls."""
    wall, cpu = after.wall_ns - before.wall_ns, after.cpu_ns - before.cpu_ns
    others = None
    if wall >= SHORTEST_NS and before.busy_ns is not None and after.busy_ns is not None:
        others = max(0.0, (after.busy_ns - before.busy_ns - cpu) / wall)
    return {
        "wall_ns": wall,
        "cpu_ns": cpu,
        "ctx_switches": {
            "voluntary": after.voluntary - before.voluntary,
            "involuntary": after.involuntary - before.involuntary,
        },
        "others_cpu": others,
    }
