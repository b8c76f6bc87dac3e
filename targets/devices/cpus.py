"""Where a model can be measured, and what the place is."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def available_cpus() -> list[int]:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def big_cores(cpus: Sequence[Mapping[str, Any]]) -> list[int]:
    """The cores faster than the slowest ones, of a device's `cpus`; all, where they are alike.

    One whose top frequency cannot be read (it is offline) is none, but where no core says it.
    """
    speeds = {cpu["id"]: cpu["max_hz"] for cpu in cpus if cpu["max_hz"] is not None}
    fast = [core for core, hz in speeds.items() if hz > min(speeds.values())]
    return sorted(fast or speeds or (cpu["id"] for cpu in cpus))


def probe_local() -> dict[str, Any]:
    """This machine as `bench-result/1` describes a device; what cannot be read is null."""
    import psutil

    from targets.bench.agent.kernel import cpu_features

    return {
        "adapter": "local",
        "id": platform.node(),
        "model": _cpu_model(),
        "abi": platform.machine(),
        "os": platform.platform(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "cpus": [
            {"id": i, "max_hz": _max_hz(i), "governor": _cpufreq(i, "scaling_governor")}
            for i in available_cpus()
        ],
        "cpu_features": cpu_features() or None,
        "mem_total_bytes": psutil.virtual_memory().total,
        "loadavg1": os.getloadavg()[0],
        "emulated": False,
    }


def _cpu_model() -> str | None:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return None


def _max_hz(cpu: int) -> int | None:
    khz = _cpufreq(cpu, "cpuinfo_max_freq")
    return int(khz) * 1000 if khz else None


def _cpufreq(cpu: int, name: str) -> str | None:
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/{name}")
    return path.read_text().strip() if path.exists() else None
