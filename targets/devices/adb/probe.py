"""What an Android device is, and in which condition: read by its shell, parsed here.

What cannot be read is None, never 0. A shell's process is scheduled differently from an app's,
hence `context`.
"""

import re
from typing import Any

from targets.devices.link import Link
from targets.errors import DeviceError

ANSWER_S = 60.0
MARK = "edge-distill:"  # begins the lines that are ours

_PROPERTIES = {
    "model": ("ro.product.model",),
    "soc": ("ro.soc.model", "ro.board.platform"),
    "abi": ("ro.product.cpu.abi",),
    "sdk": ("ro.build.version.sdk",),
    "release": ("ro.build.version.release",),
    "fingerprint": ("ro.build.fingerprint",),
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


def probe(link: Link, *, sysfs: str = "/sys") -> dict[str, Any]:
    """The device as `bench-result/1` describes one, with Android's `sdk` and `fingerprint`."""
    names = [name for group in _PROPERTIES.values() for name in group]
    argv = ["sh", "-c", _SCRIPT, "sh", *names]
    done = link.run(argv, env={"EDGE_DISTILL_SYS": sysfs}, timeout_s=ANSWER_S)
    said = _marked(done.stdout)
    found = {key: _first(said, group) for key, group in _PROPERTIES.items()}
    if found["sdk"] is None:
        raise DeviceError(
            f"device {link.name}: it does not answer as Android does (getprop "
            f"ro.build.version.sdk: {done.stderr.strip() or 'empty'}). Is it the right device?"
        )
    memory = re.search(r"(\d+) kB", said.get("memory", ""))
    return {
        "model": found["model"],
        "soc": found["soc"],
        "abi": found["abi"],
        "sdk": int(found["sdk"]),
        "os": f"Android {found['release']}",
        "fingerprint": found["fingerprint"],
        "kernel": said.get("kernel") or None,
        "cpus": _cpus(said),
        "mem_total_bytes": int(memory[1]) * 1024 if memory else None,
        "context": "adb-shell",
        "emulated": said.get("stand-in") == "1" or found["emulator"] == "1",
    }


def conditions(link: Link) -> dict[str, Any]:
    """What may make a measurement invalid, for before and after it.

    `thermal_status` is Android's 0 (none) to 6 (shutdown), from Android 10 on; `temp_c` the hottest
    CPU sensor; `battery_c`, `battery_pct`, `charging`.
    """
    script = "dumpsys thermalservice; echo edge-distill:; dumpsys battery"
    done = link.run(["sh", "-c", script], env={}, timeout_s=ANSWER_S)
    thermal, _, battery = done.stdout.partition(MARK)
    return {**thermal_state(thermal), **battery_state(battery)}


def thermal_state(dump: str) -> dict[str, Any]:
    """Of `dumpsys thermalservice`."""
    status = re.search(r"^\s*Thermal Status:\s*(\d)", dump, re.MULTILINE)
    # The cached ones stand first and may be old; the next section's heading has no brace.
    current = dump.partition("Current temperatures from HAL:")[2].partition("Current cooling")[0]
    cpus = re.findall(r"Temperature\{mValue=([-0-9.]+), mType=0,", current)
    return {
        "thermal_status": int(status[1]) if status else None,
        "temp_c": max(map(float, cpus)) if cpus else None,
    }


def battery_state(dump: str) -> dict[str, Any]:
    """Of `dumpsys battery`: its temperature is in tenths of a degree, its level of `scale`."""
    said = {
        key.strip(): value.strip()
        for key, separator, value in (line.partition(":") for line in dump.splitlines())
        if separator
    }
    level, scale, tenths = (_number(said, key) for key in ("level", "scale", "temperature"))
    powered = [said[key] == "true" for key in said if key.endswith(" powered")]
    return {
        "battery_pct": 100 * level / scale if level is not None and scale else None,
        "battery_c": tenths / 10 if tenths is not None else None,
        "charging": any(powered) if powered else None,
    }


def _number(said: dict[str, str], key: str) -> int | None:
    value = said.get(key, "")
    return int(value) if re.fullmatch(r"-?\d+", value) else None


def _marked(stdout: str) -> dict[str, str]:
    ours = (line.removeprefix(MARK) for line in stdout.splitlines() if line.startswith(MARK))
    return {key: value.strip() for key, _, value in (line.partition("=") for line in ours)}


def _first(said: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((said[name] for name in names if said.get(name)), None)


def _cpus(said: dict[str, str]) -> list[dict[str, Any]]:
    cpus = []
    for key, value in said.items():
        if match := re.fullmatch(r"cpu(\d+)", key):
            khz, _, governor = value.partition(" ")
            hz = int(khz) * 1000 if khz.isdigit() else None
            cpus.append({"id": int(match[1]), "max_hz": hz, "governor": governor or None})
    return sorted(cpus, key=lambda cpu: cpu["id"])
