"""What the agent reads of the state of a device."""

import os
from pathlib import Path

import pytest

from targets.bench.agent.conditions import Usage, busy_ns, environment, used


def test_the_state_of_a_raspberry_pi_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "proc/loadavg": "0.52 0.58 0.59 3/602 12345",
        "sys/class/thermal/thermal_zone0/temp": "48312",
        "sys/class/thermal/thermal_zone1/temp": "51000",
    }
    for core, khz in ((0, 600000), (2, 1500000), (10, 1800000)):
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        files[f"{folder}/scaling_cur_freq"] = str(khz)
        files[f"{folder}/scaling_governor"] = "ondemand"
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo "throttled=0x50000"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    seen = environment(proc=str(tmp_path / "proc"), sysfs=str(tmp_path / "sys"))
    assert (seen["loadavg1"], seen["runnable"], seen["temp_c"]) == (0.52, 3, 51.0)
    assert seen["freq_hz"] == [600_000_000, 1_500_000_000, 1_800_000_000]
    assert seen["governor"] == ["ondemand"] * 3
    assert seen["throttled_raw"] == "0x50000"


def test_what_a_device_does_not_tell_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = environment(proc=str(tmp_path), sysfs=str(tmp_path))
    assert seen.pop("sentinel_ns")
    assert set(seen.values()) == {None}
    assert busy_ns(proc=str(tmp_path)) is None


def test_the_cores_that_others_took_are_what_is_left_of_the_busy_time() -> None:
    second = 10**9
    before = Usage(0, 0, 10, 20, 5 * second)
    seen = used(before, Usage(2 * second, second, 11, 25, 9 * second))
    assert seen["others_cpu"] == pytest.approx(1.5)  # 4 s busy, 1 s of them ours, in 2 s
    assert seen["ctx_switches"] == {"voluntary": 1, "involuntary": 5}
    assert used(before, Usage(second // 10, 0, 10, 20, 6 * second))["others_cpu"] is None
    unknown = before._replace(busy_ns=None)
    assert used(unknown, Usage(2 * second, 0, 10, 20, None))["others_cpu"] is None
