"""Which CPUs a measurement uses."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from targets.devices.facts import Cpu


def available_cpus() -> list[int]:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def big_cores(cpus: "Iterable[Cpu]") -> list[int]:
    """The cores with a higher top frequency than the slowest; all, if they are alike.

    A core whose top frequency cannot be read (it is offline) counts only if none can be read.
    """
    every = tuple(cpus)
    speeds = {cpu.id: cpu.max_hz for cpu in every if cpu.max_hz is not None}
    fast = [core for core, hz in speeds.items() if hz > min(speeds.values())]
    return sorted(fast or speeds or (cpu.id for cpu in every))
