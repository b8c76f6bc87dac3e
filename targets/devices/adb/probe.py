"""The facts and conditions of an Android device: its shell prints them, they are parsed here.

What cannot be read is None, never 0. A shell's process is scheduled differently from an app's,
hence `context`.
"""

import re
from collections.abc import Mapping
from typing import TypedDict

from targets.devices.contract import Link
from targets.devices.facts import Cpu, DeviceFacts
from targets.errors import DeviceError

ANSWER_S = 60.0
MARK = "edge-distill:"  # begins the lines that the probe's script prints

_PROPERTIES = {
    "model": ("ro.product.model",),
    "soc": ("ro.soc.model", "ro.board.platform"),
    "abi": ("ro.product.cpu.abi",),
    "release": ("ro.build.version.release",),
    "emulator": ("ro.boot.qemu", "ro.kernel.qemu"),
}
"""Key -> the properties that may hold it, the best first (ro.soc.model is of Android 12)."""

_SCRIPT = r"""
for p in "$@"; do echo "edge-distill:$p=$(getprop "$p")"; done
echo "edge-distill:kernel=$(uname -r)"
echo "edge-distill:memory=$(grep MemTotal /proc/meminfo)"
echo "edge-distill:stand-in=$EDGE_DISTILL_EMULATED"
for c in "$EDGE_DISTILL_SYS"/devices/system/cpu/cpu[0-9]*; do
  f=$c/cpufreq
  echo "edge-distill:${c##*/}=$(cat "$f/cpuinfo_max_freq") $(cat "$f/scaling_governor")"
done
"""


class Conditions(TypedDict):
    """What may make a measurement invalid."""

    thermal_status: int | None
    """Android's thermal status, 0 (none) to 6 (shutdown), from Android 10 on."""
    temp_c: float | None
    """Temperature of the hottest CPU sensor, in degrees C."""
    battery_pct: float | None
    battery_c: float | None
    charging: bool | None


def probe(link: Link, *, sysfs: str = "/sys") -> DeviceFacts:
    """Read the facts; raise `DeviceError` if the device does not answer as Android."""
    names = [name for group in _PROPERTIES.values() for name in group]
    argv = ["sh", "-c", _SCRIPT, "sh", *names]
    done = link.run(argv, env={"EDGE_DISTILL_SYS": sysfs}, timeout_s=ANSWER_S)
    lines = _marked(done.stdout)
    found = {key: _first(lines, group) for key, group in _PROPERTIES.items()}
    abi = found["abi"]
    if abi is None:
        raise DeviceError(
            f"device {link.name}: it does not answer as Android does (getprop "
            f"ro.product.cpu.abi: {done.stderr.strip() or 'empty'}). Is it the right device?"
        )
    memory = re.search(r"(\d+) kB", lines.get("memory", ""))
    return DeviceFacts(
        model=found["model"],
        soc=found["soc"],
        abi=abi,
        os=f"Android {found['release']}",
        kernel=lines.get("kernel") or None,
        cpus=_cpus(lines),
        mem_total_bytes=int(memory[1]) * 1024 if memory else None,
        context="adb-shell",
        emulated=lines.get("stand-in") == "1" or found["emulator"] == "1",
    )


def conditions(link: Link) -> Conditions:
    script = "dumpsys thermalservice; echo edge-distill:; dumpsys battery"
    done = link.run(["sh", "-c", script], env={}, timeout_s=ANSWER_S)
    thermal, _, battery = done.stdout.partition(MARK)
    return parsed_conditions(thermal=thermal, battery=battery)


def parsed_conditions(*, thermal: str, battery: str) -> Conditions:
    """Parse `dumpsys thermalservice` and `dumpsys battery`, whose temperature is in tenths of a
    degree and whose level is a part of `scale`."""
    status = re.search(r"^\s*Thermal Status:\s*(\d)", thermal, re.MULTILINE)
    # The cached ones stand first and may be old; the next section's heading has no brace.
    current = thermal.partition("Current temperatures from HAL:")[2].partition("Current cooling")[0]
    cpus = re.findall(r"Temperature\{mValue=([-0-9.]+), mType=0,", current)
    values = {
        key.strip(): value.strip()
        for key, separator, value in (line.partition(":") for line in battery.splitlines())
        if separator
    }
    level, scale, tenths = (_number(values, key) for key in ("level", "scale", "temperature"))
    powered = [values[key] == "true" for key in values if key.endswith(" powered")]
    return {
        "thermal_status": int(status[1]) if status else None,
        "temp_c": max(map(float, cpus)) if cpus else None,
        "battery_pct": 100 * level / scale if level is not None and scale else None,
        "battery_c": tenths / 10 if tenths is not None else None,
        "charging": any(powered) if powered else None,
    }


def _number(values: Mapping[str, str], key: str) -> int | None:
    value = values.get(key, "")
    return int(value) if re.fullmatch(r"-?\d+", value) else None


def _marked(stdout: str) -> dict[str, str]:
    ours = (line.removeprefix(MARK) for line in stdout.splitlines() if line.startswith(MARK))
    return {key: value.strip() for key, _, value in (line.partition("=") for line in ours)}


def _first(lines: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((lines[name] for name in names if lines.get(name)), None)


def _cpus(lines: Mapping[str, str]) -> tuple[Cpu, ...]:
    cpus = []
    for key, value in lines.items():
        if match := re.fullmatch(r"cpu(\d+)", key):
            khz, _, governor = value.partition(" ")
            hz = int(khz) * 1000 if khz.isdigit() else None
            cpus.append(Cpu(id=int(match[1]), max_hz=hz, governor=governor or None))
    return tuple(sorted(cpus, key=lambda cpu: cpu.id))
