"""The facts of this machine, as the process that runs now finds them."""

import os
import platform
from pathlib import Path

from targets.devices.cpus import available_cpus
from targets.devices.facts import Cpu, DeviceFacts, Interpreter


def probe_local() -> DeviceFacts:
    import psutil

    from targets.bench.agent.kernel import cpu_features

    python = Interpreter(path="", version=platform.python_version())
    return DeviceFacts(
        id=platform.node(),
        model=_cpu_model(),
        arch=platform.machine(),
        abi=platform.machine(),
        os=platform.platform(),
        kernel=platform.release(),
        libc=" ".join(platform.libc_ver()),
        pythons=(python,),
        cpus=tuple(
            Cpu(id=i, max_hz=_max_hz(i), governor=_cpufreq(i, "scaling_governor"))
            for i in available_cpus()
        ),
        cpu_features=tuple(cpu_features()) or None,
        mem_total_bytes=psutil.virtual_memory().total,
        loadavg1=os.getloadavg()[0],
    )


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
