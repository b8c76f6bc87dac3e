"""The facts and conditions of a phone, and its settings, which are restored afterwards."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from targets.bench.result import read
from targets.devices.adb.link import AdbLink
from targets.devices.adb.probe import conditions, parsed_conditions, probe
from targets.devices.adb.provisioning import provision
from targets.devices.adb.settings import STAY_ON, steady
from targets.devices.contract import LinkLost, WantedRuntime
from targets.devices.cpus import big_cores
from targets.devices.doctor.diagnosis import device_checks
from targets.devices.elf import require_runs_on
from targets.devices.facts import Cpu
from targets.devices.inventory import device
from targets.errors import DeviceError
from tests.devices.adb.adbd import Phone
from tests.devices.adb.android import Android
from tests.devices.by_command import invoke

STAY = f"global.{STAY_ON}"


@pytest.fixture
def android(tmp_path: Path) -> Android:
    (tmp_path / "android").mkdir()
    return Android(tmp_path / "android")


@pytest.fixture
def phone(android: Android) -> Iterator[Phone]:
    path = f"{android.bin}:{os.environ['PATH']}"
    with Phone(env={"PATH": path, "EDGE_DISTILL_EMULATED": "1"}) as phone:
        yield phone


def test_the_facts_of_a_phone_are_read(link: AdbLink, android: Android) -> None:
    android.cores(1_803_000, 1_803_000, 2_348_000, 2_850_000)
    found = probe(link, sysfs=str(android.sysfs))
    assert found.model == "Pixel 7"
    assert found.soc == "gs201"  # of the older property: the newer is not set
    assert (found.abi, found.os) == ("arm64-v8a", "Android 14")
    assert found.cpus[3] == Cpu(id=3, max_hz=2_850_000_000, governor="sched_pixel")
    assert (found.mem_total_bytes or 0) > 1e8
    assert found.emulated is True
    assert big_cores(found.cpus) == [2, 3]


def test_the_doctor_checks_a_phone(
    phone: Phone, android: Android, folder: str, tmp_path: Path
) -> None:
    entry = f'[phone]\nurl = "adb://{phone.serial}"\n'
    (tmp_path / "devices.toml").write_text(entry)
    found = device("phone", files=[tmp_path / "devices.toml"])
    named = replace(found, entry=found.entry.model_copy(update={"folder": folder}))
    android.set("thermal", "3")
    checks = {check.name: check for check in device_checks(named, say=print)}
    assert checks["reachable"].found == f"adb://{phone.serial}"
    assert checks["system"].found == "Pixel 7, gs201, arm64-v8a, Android 14"
    assert checks["speed"].found == "emulated: its times mean nothing"
    assert (checks["throttling"].ok, checks["throttling"].found) == (False, "thermal status 3 of 6")
    assert checks["tflite"].found.startswith("a Python bundle will be installed")


def test_a_device_without_android_is_refused(tmp_path: Path) -> None:
    with (
        Phone() as host,
        pytest.raises(DeviceError, match="does not answer as Android"),
    ):
        probe(AdbLink(host.serial, folder=str(tmp_path / "ours")))


def test_conditions_are_read_and_absent_is_none(link: AdbLink, android: Android) -> None:
    android.set("thermal", "2")
    assert conditions(link) == {
        "thermal_status": 2, "temp_c": 41.5, "battery_pct": 90, "battery_c": 31.2,
        "charging": True,
    }  # fmt: skip
    nothing = parsed_conditions(thermal="Can't find service", battery="Can't find service")
    assert set(nothing.values()) == {None}


def test_settings_hold_during_a_measurement_and_are_put_back(
    link: AdbLink, android: Android, folder: str
) -> None:
    android.set(STAY, "3")
    with steady(link):
        assert android.get(STAY) == "7"
        assert android.get("wakefulness") == "Awake"
    assert android.get(STAY) == "3"
    assert android.get("wakefulness") == "Asleep"
    assert list(Path(folder).iterdir()) == []


def test_a_phone_that_was_awake_stays_so_and_an_unset_setting_is_unset(
    link: AdbLink, android: Android
) -> None:
    android.set("wakefulness", "Awake")
    with steady(link):
        assert android.get(STAY) == "7"
    assert android.get(STAY) is None
    assert android.get("wakefulness") == "Awake"


def test_a_failure_in_between_puts_the_settings_back(link: AdbLink, android: Android) -> None:
    with pytest.raises(KeyboardInterrupt), steady(link):
        raise KeyboardInterrupt
    assert android.get(STAY) is None
    assert android.get("wakefulness") == "Asleep"


def test_a_setting_that_cannot_be_made_puts_the_others_back(
    link: AdbLink, android: Android
) -> None:
    (android.bin / "wm").write_text("#!/bin/sh\necho not allowed >&2; exit 255\n")
    with pytest.raises(DeviceError, match=r"Stay awake.*not allowed"), steady(link):
        pass
    assert android.get(STAY) is None
    assert android.get("wakefulness") == "Asleep"


def test_settings_are_put_back_when_the_cable_comes_back(
    link: AdbLink, phone: Phone, android: Android
) -> None:
    with steady(link, retry_s=20):
        phone.unplug()
        threading.Timer(0.3, phone.plug_in).start()
    assert android.get(STAY) is None


def test_what_a_lost_phone_keeps_is_put_back_the_next_time(
    link: AdbLink, phone: Phone, android: Android
) -> None:
    android.set(STAY, "3")
    with pytest.raises(LinkLost, match="by hand: adb shell sh"), steady(link, retry_s=0.1):
        phone.unplug()
    assert android.get(STAY) == "7"
    phone.plug_in()
    with steady(link):
        assert android.get(STAY) == "7"
    assert android.get(STAY) == "3"  # not the 7 that the first time left


TOOL = """#!/bin/sh
for a; do case $a in --graph=*) cat "${a#--graph=}";; esac; done
"""
PRINTED = """\
count=8 first=5 curr=5 min=4 max=6 avg=5 std=1
count=64 first=5 curr=5 min=4 max=6 avg=5 std=1
Inference timings in us: Init: 6217, First inference: 39, Warmup (avg): 5, Inference (avg): 5
"""


@pytest.mark.usefixtures("project")
def test_a_native_tool_measures_a_phone_without_a_python(phone: Phone, tmp_path: Path) -> None:
    tool, model = tmp_path / "benchmark_model", tmp_path / "it's a $(model).tflite"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    model.write_text(PRINTED)
    (tmp_path / "devices.toml").write_text(f'[phone]\nurl = "adb://{phone.serial}"\n')
    done = invoke("bench", model, "--native", tool, "--device", "phone", "--tier", "rapid")
    assert done.return_value == 0, done.output
    document = read(tmp_path / "bench" / "phone.json")
    assert {block.runtime.name for block in document.blocks} == {"benchmark_model"}
    assert invoke("devices", "clean", "phone").exit_code == 0


def test_a_tool_for_another_processor_is_refused(tmp_path: Path) -> None:
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(b"\x7fELF\2\1" + bytes(12) + b"\x3e\x00")
    require_runs_on(tool, abi="x86_64", device="pc")
    with pytest.raises(DeviceError, match="built for x86-64, and the device phone is arm64-v8a"):
        require_runs_on(tool, abi="arm64-v8a", device="phone")
    tool.write_bytes(b"\x7fELF\1\1" + bytes(12) + b"\x28\x00")
    require_runs_on(tool, abi="arm64-v8a", device="phone")  # most run 32-bit programs too
    tool.write_text("#!/bin/sh")
    require_runs_on(tool, abi="arm64-v8a", device="phone")


def test_nothing_is_installed_on_a_phone_where_that_is_forbidden(
    link: AdbLink, tmp_path: Path
) -> None:
    wanted = WantedRuntime(format="tflite", install=False)
    with pytest.raises(DeviceError, match=r"no Python bundle there\. Leave out --no-install"):
        provision(link, "arm64-v8a", wanted, cache=tmp_path / "cache", say=print)
    assert not (tmp_path / "cache").exists()
