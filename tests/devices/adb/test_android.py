"""What a phone is, where to measure on it, and that its settings are as before afterwards."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from targets.devices.adb import bundle, cores, native
from targets.devices.adb.link import AdbLink
from targets.devices.adb.probe import battery_state, conditions, probe, thermal_state
from targets.devices.adb.settings import STAY_ON, steady
from targets.devices.cpus import big_cores
from targets.devices.doctor.device import device_checks
from targets.devices.inventory import device
from targets.devices.link import LinkLost
from targets.errors import DeviceError, InputError
from tests.devices.adb.adbd import Phone
from tests.devices.adb.android import Android

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


def test_a_phone_says_what_it_is(link: AdbLink, android: Android) -> None:
    android.cores(1_803_000, 1_803_000, 2_348_000, 2_850_000)
    found = probe(link, sysfs=str(android.sysfs))
    assert found["model"] == "Pixel 7"
    assert found["soc"] == "gs201"  # of the older property: the newer is not set
    assert (found["abi"], found["sdk"], found["os"]) == ("arm64-v8a", 34, "Android 14")
    assert found["fingerprint"].startswith("google/panther")
    assert found["cpus"][3] == {"id": 3, "max_hz": 2_850_000_000, "governor": "sched_pixel"}
    assert found["mem_total_bytes"] > 1e8
    assert found["emulated"] is True
    assert cores.hex_mask(big_cores(found["cpus"])) == "c"


def test_the_doctor_sees_a_phone_by_its_address(
    phone: Phone, android: Android, folder: str, tmp_path: Path
) -> None:
    entry = f'[phone]\nurl = "adb://{phone.serial}"\n'
    (tmp_path / "devices.toml").write_text(entry)
    named = replace(device("phone", files=[tmp_path / "devices.toml"]), folder=folder)
    android.set("thermal", "3")
    seen = list(device_checks(named, scratch=tmp_path, wheels=tmp_path))
    checks = {check.name: check for check in seen}
    assert checks["reachable"].found == f"adb://{phone.serial}"
    assert checks["system"].found == "Pixel 7, gs201, arm64-v8a, Android 14"
    assert checks["speed"].found == "emulated: its times mean nothing"
    assert (checks["throttling"].ok, checks["throttling"].found) == (False, "thermal status 3 of 6")
    assert checks["tflite"].found.startswith("a Python bundle will be brought")


def test_what_is_no_android_is_said(tmp_path: Path) -> None:
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
    nothing = {**thermal_state("Can't find service"), **battery_state("Can't find service")}
    assert set(nothing.values()) == {None}


def test_a_mask_is_hexadecimal_without_a_prefix() -> None:
    assert cores.hex_mask([4, 5, 6, 7]) == "f0"
    assert cores.hex_mask([9, 0, 9]) == "201"
    assert cores.parse_list("0,4-7,9\n") == [0, 4, 5, 6, 7, 9]
    with pytest.raises(ValueError, match="no core"):
        cores.hex_mask([])


def test_affinity_is_what_the_kernel_says_not_what_was_asked(link: AdbLink) -> None:
    own = sorted(os.sched_getaffinity(0))
    assert cores.check(link, own[:1]) == own[:1]
    assert cores.check(link, [own[0], 900]) == own[:1]


def test_a_core_that_is_not_there_is_refused(link: AdbLink) -> None:
    with pytest.raises(DeviceError, match="measure without pinning"):
        cores.check(link, [900])


def test_settings_hold_during_a_measurement_and_are_put_back(
    link: AdbLink, android: Android, folder: str
) -> None:
    android.set(STAY, "3")
    with steady(link, fixed_performance=True):
        assert android.get(STAY) == "7"
        assert android.get("wakefulness") == "Awake"
        assert android.get("fixed") == "true"
    assert android.get(STAY) == "3"
    assert android.get("wakefulness") == "Asleep"
    assert android.get("fixed") == "false"
    assert list(Path(folder).iterdir()) == []


def test_a_phone_that_was_awake_stays_so_and_an_unset_setting_is_unset(
    link: AdbLink, android: Android
) -> None:
    android.set("wakefulness", "Awake")
    with steady(link):
        assert android.get(STAY) == "7"
    assert android.get(STAY) is None
    assert android.get("wakefulness") == "Awake"
    assert android.get("fixed") is None  # not asked for, not touched


def test_a_failure_in_between_puts_the_settings_back(link: AdbLink, android: Android) -> None:
    with pytest.raises(KeyboardInterrupt), steady(link):
        raise KeyboardInterrupt
    assert android.get(STAY) is None
    assert android.get("wakefulness") == "Asleep"


def test_a_phone_without_fixed_performance_is_left_as_it_was(
    link: AdbLink, android: Android
) -> None:
    android.set("without-fixed-performance", "")
    with (
        pytest.raises(DeviceError, match="no fixed-performance mode"),
        steady(link, fixed_performance=True),
    ):
        pass
    assert android.get(STAY) is None
    assert android.get("wakefulness") == "Asleep"
    with steady(link):  # nor is it in the way of the next time
        pass


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
echo "INFO: arguments: $*"
echo "INFO: to stderr" >&2
for a; do case $a in --graph=*) cat "${a#--graph=}";; esac; done
exit CODE
"""


def tool_and_model(tmp_path: Path, *, code: int = 0) -> tuple[Path, Path]:
    tool, model = tmp_path / "benchmark_model", tmp_path / "it's a $(model).tflite"
    tool.write_text(TOOL.replace("CODE", str(code)))  # not executable, as it is downloaded
    model.write_text("the model\n")
    return tool, model


OPTIONS = native.flags(
    threads=2, min_queries=64, min_duration_s=6, max_duration_s=60, warmup_runs=5, warmup_s=0.5
)


def test_the_native_tool_is_pushed_pinned_and_heard(link: AdbLink, tmp_path: Path) -> None:
    tool, model = tool_and_model(tmp_path)
    core = sorted(os.sched_getaffinity(0))[0]
    ran = native.run(
        link, tool=tool, model=model, options=OPTIONS, on_cores=[core], timeout_s=20
    )  # fmt: skip
    assert "--num_threads=2 --num_runs=64 --min_secs=6 --max_secs=60" in ran.text
    assert ran.text.endswith("INFO: to stderr\nthe model\n")  # both streams, in their order
    assert (ran.affinity_requested, ran.affinity_effective) == (f"{1 << core:x}", [core])
    assert ran.env_before["thermal_status"] == ran.env_after["thermal_status"] == 0


def test_a_native_tool_that_fails_is_an_error_of_the_device(link: AdbLink, tmp_path: Path) -> None:
    tool, model = tool_and_model(tmp_path, code=3)
    with pytest.raises(DeviceError, match="exit code 3: the model"):
        native.run(link, tool=tool, model=model, options=[], on_cores=None, timeout_s=20)


def test_a_tool_for_another_machine_is_refused_before_it_is_pushed(tmp_path: Path) -> None:
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(b"\x7fELF" + bytes(14) + b"\x3e\x00")
    native.check_tool(tool, abi="x86_64")
    with pytest.raises(InputError, match="made for x86_64, the device is arm64-v8a"):
        native.check_tool(tool, abi="arm64-v8a")
    tool.write_text("<html>")
    with pytest.raises(InputError, match="no program for Android"):
        native.check_tool(tool, abi="arm64-v8a")


def test_nothing_is_brought_to_a_phone_where_that_is_forbidden(
    link: AdbLink, tmp_path: Path
) -> None:
    with pytest.raises(DeviceError, match=r"no Python bundle there\. Leave out --no-install"):
        bundle.provisioned(
            link, {"abi": "arm64-v8a"}, "tflite", cache=tmp_path / "cache", say=print, install=False
        )
    assert not (tmp_path / "cache").exists()
