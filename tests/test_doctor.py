"""The doctor reports what is there, what is missing, and the command that fixes it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.tables.devices import print_diagnosis
from targets.devices import DEVICE_KINDS, inventory
from targets.devices.adb import checks as android
from targets.devices.adb.probe import parsed_conditions
from targets.devices.contract import Completed, Device, DeviceSession, Provisioned
from targets.devices.doctor import Check, conditions, in_order, runtimes
from targets.devices.doctor import host as hosts
from targets.devices.doctor.diagnosis import Diagnosis, device_checks
from targets.devices.facts import DeviceFacts
from targets.devices.fake.kind import FakeKind
from targets.devices.fake.link import FakeLink
from targets.devices.install_options import InstallOption, install_options
from targets.devices.probe import facts as facts_of
from targets.devices.probe import parsed
from targets.devices.ssh.kind import client
from targets.errors import DeviceError, InputError
from tests.conftest import Command

PI = """noise at login
BEGIN-PROBE
arch\taarch64
kernel\t6.12.25+rpt-rpi-v8
node\tpi
long_bit\t64
libc\tglibc 2.36
os\tDebian GNU/Linux 12 (bookworm)
model\tRaspberry Pi 4 Model B Rev 1.4
mem_kb\t3884000
disk_free_kb\t20000000
loadavg\t0.10 0.20 0.30 1/100 1000
python\t/usr/bin/python3|3.11.2|64|1.24.2
cpu\t0
governor.0\tondemand
max_khz.0\t1800000
throttled\t0x0
END-PROBE
"""


def facts(**changes: Any) -> DeviceFacts:
    printed = parsed(PI)
    assert printed is not None
    return replace(facts_of("pi4", printed), **changes)


def by_name(checks: Sequence[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def scripted(folder: Path, answers: Mapping[str, Completed]) -> FakeLink:
    """A Pi that answers by a word in the command, and has no output for any other."""
    known = {**answers, "BEGIN-PROBE": Completed(returncode=0, stdout=PI)}

    def handler(argv: list[str]) -> Completed:
        found = [done for word, done in known.items() if word in " ".join(argv)]
        return found[0] if found else Completed(returncode=0)

    return FakeLink(folder / "pi4", name="pi4", handler=handler)


def examined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answers: Mapping[str, Completed],
    *, has_wheels: bool = True, install: bool = True,
) -> tuple[dict[str, Check], FakeLink]:  # fmt: skip
    link = scripted(tmp_path, answers)
    wheels = tmp_path if has_wheels else None
    monkeypatch.setattr(InstallOption, "wheels", lambda *_: wheels)
    session = DeviceSession(link=link, reached="ssh://pi@pi4.invalid, its host key is known")
    return by_name(list(session.checks(install=install))), link


def selftested(ok: bool) -> Completed:
    one = {"ok": ok, "version": "2.1.0" if ok else None, "error": None if ok else "Illegal\nop"}
    every = {"ai_edge_litert": one, "onnxruntime": one, "tflite_runtime": one}
    return Completed(returncode=0, stdout=json.dumps({"numpy": "2.0.0", "runtimes": every}))


def marker(format_name: str) -> Completed:
    first = next(install_options(facts(), format_name, name="pi4"))
    made = {
        "key": first.key, "runtime": first.runtime.name, "version": "2.1.0", "numpy": "2.0.0",
        "python": "/ours/made/env/bin/python",
    }  # fmt: skip
    return Completed(returncode=0, stdout=json.dumps(made) + "\n")


def test_a_pi_that_has_nothing_yet_would_get_the_first_runtime(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, link = examined(monkeypatch, tmp_path, {})
    assert in_order(list(found.values()))
    assert found["reachable"].found == "ssh://pi@pi4.invalid, its host key is known"
    assert found["system"].found.startswith("Raspberry Pi 4 Model B Rev 1.4, aarch64, Debian")
    assert found["tflite"].found.startswith("ai-edge-litert")
    assert found["tflite"].found.endswith("will be installed (Python 3.11)")
    assert found["onnx"].found.startswith("onnxruntime")
    assert not any("venv" in " ".join(argv) for argv in link.commands)


def test_what_is_installed_is_tested(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {"installed.json": marker("tflite"), "--selftest": selftested(True)}
    found, _ = examined(monkeypatch, tmp_path, answers)
    assert found["tflite"] == Check(
        name="tflite", ok=True, found="ai-edge-litert 2.1.0, installed, tested"
    )
    assert "will be installed" in found["onnx"].found


def test_what_is_installed_and_broken_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"installed.json": marker("tflite"), "--selftest": selftested(False)}
    found, _ = examined(monkeypatch, tmp_path, answers)
    assert found["tflite"].ok is False
    assert "Illegal op" in found["tflite"].found
    assert found["tflite"].remedy.startswith("pipeline devices clean pi4")


def test_a_device_that_no_wheel_fits_cannot_measure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, _ = examined(monkeypatch, tmp_path, {}, has_wheels=False)
    assert found["tflite"].ok is False
    assert found["tflite"].remedy.startswith("no wheel of ai-edge-litert, tflite-runtime fits it")
    assert "--native" in found["tflite"].remedy


def test_where_nothing_may_be_installed_the_owner_s_runtime_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"--selftest": selftested(True)}
    found, _ = examined(monkeypatch, tmp_path, answers, install=False)
    assert found["tflite"].found == "ai-edge-litert 2.1.0, the owner's, tested"
    found, _ = examined(monkeypatch, tmp_path, {"--selftest": selftested(False)}, install=False)
    assert (found["onnx"].ok, found["onnx"].remedy) == (False, "Leave out --no-install.")


def test_wheels_that_cannot_be_fetched_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = "http://127.0.0.1:9/"
    for name, value in (("INDEX_URL", closed), ("EXTRA_INDEX_URL", ""), ("RETRIES", "1")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = install_options(facts(), "onnx", name="pi4")
    check = runtimes.would_install("onnx", options, unfit="")
    assert (check.ok, check.found) == (False, "not installed yet")
    assert "pip could not fetch them" in check.remedy


def test_a_device_that_is_away_is_a_check_with_its_remedy(tmp_path: Path) -> None:
    def refuse(argv: list[str]) -> Completed:
        raise DeviceError("device fake://pi: its host key is not known yet. Connect once.")

    with DEVICE_KINDS.added("fake", FakeKind(handler=refuse)):
        (check,) = device_checks(inventory.device("fake://pi"), say=print)
    assert (check.ok, check.found) == (False, "no")
    assert check.remedy == "Its host key is not known yet. Connect once."


@pytest.mark.parametrize(
    ("raw", "ok", "found"),
    [
        ("0x0", True, "none (0x0)"),
        ("0x50000", None, "not now; since it was switched on: under-voltage, throttled (0x50000)"),
        ("0x50005", False, "under-voltage, throttled (0x50005)"),
        ("0x80008", False, "soft temperature limit (0x80008)"),
        (None, None, "unknown: no vcgencmd there"),
    ],
)
def test_throttle_bits_are_read(raw: str | None, ok: bool | None, found: str) -> None:
    check = conditions.throttling(raw)
    assert (check.ok, check.found) == (ok, found)
    assert ("power supply" in check.remedy) == ("under-voltage" in found)


def test_what_a_device_lacks_has_the_command_that_fixes_it() -> None:
    poor = facts(pythons=(), missing_tools=("tar",), disk_free_bytes=1_000_000, emulated=True)
    every = [*conditions.conditions(poor), *conditions.equipment(poor, has_runtime=True)]
    found = by_name(every)
    assert {name for name, check in found.items() if check.ok is False} == {
        "python", "tools", "disk",
    }  # fmt: skip
    assert found["python"].remedy == "There: sudo apt install python3"
    assert found["tools"].remedy == "There: sudo apt install coreutils tar"
    assert found["governor"].ok is None
    assert found["governor"].remedy.startswith("There: echo performance | sudo tee /sys/")
    assert found["speed"].found == "emulated: its times mean nothing"


def test_a_device_that_has_its_runtimes_needs_little_room() -> None:
    free = 100_000_000
    assert conditions.room(free, needed_bytes=conditions.FILES_BYTES).ok
    assert conditions.room(free, needed_bytes=conditions.ROOM_BYTES).ok is False


def test_a_hot_phone_cannot_measure() -> None:
    phone = DeviceFacts(model="Pixel 8", soc="Tensor G3", abi="arm64-v8a", os="Android 15")
    cool, hot, old = (
        by_name(list(android.state_checks(phone, parsed_conditions(thermal=text, battery=""))))
        for text in ("Thermal Status: 0", "Thermal Status: 3", "")
    )
    assert (cool["throttling"].ok, hot["throttling"].ok, old["throttling"].ok) == (
        True, False, None,
    )  # fmt: skip
    assert cool["system"].found == "Pixel 8, Tensor G3, arm64-v8a, Android 15"


def test_a_phone_s_runtime_is_the_bundle_if_there_is_one_for_it() -> None:
    assert "bundle will be installed" in android.would_install("tflite", "arm64-v8a").found
    assert "--native" in android.would_install("tflite", "armeabi-v7a").remedy
    assert android.would_install("onnx", "x86").found == "cannot be measured on x86"


@pytest.mark.parametrize("works", [True, False])
def test_a_phone_s_bundle_is_tested(tmp_path: Path, works: bool) -> None:
    made = Provisioned(
        runtime="onnxruntime", version="1", numpy="2", python="/ours/python", reused=True
    )
    link = scripted(tmp_path, {"--selftest": selftested(works)})
    found = by_name(list(android.runtimes(link, "arm64-v8a", {"key": made})))
    assert found["onnx"].ok is works
    assert found["tflite"].ok is None
    assert link.commands[0][0] == "/ours/python"


def test_a_library_that_is_missing_or_too_old_is_an_error() -> None:
    needed = ["numpy>=1.26", "onnx>=1.18", "tf-keras>=2.19"]
    found = by_name(list(hosts.libraries(needed, {"numpy": "2.1.0", "onnx": "1.17.0"})))
    assert found["onnx"].found == "1.17.0; >=1.18 is needed"
    assert found["tf-keras"].found == "not installed; >=2.19 is needed"
    assert found["tf-keras"].remedy.endswith("-m pip install 'tf-keras>=2.19'")
    assert found["libraries"].found == "1 of 3 in order: numpy 2.1.0"


@pytest.mark.parametrize(
    ("versions", "wanted", "ok"),
    [
        ({"numpy": "2.1.0"}, {}, True),
        ({"numpy": "1.26.4", "tflite-runtime": "2.14.0"}, {}, True),
        ({"numpy": "2.1.0", "tflite-runtime": "2.14.0"}, {"tflite-runtime": "<2"}, None),
        ({"numpy": "2.5.0", "tensorflow": "2.21.0"}, {"tensorflow": "<2.4,>=1.26"}, False),
        ({}, {}, False),
    ],
)
def test_a_clash_of_numpy_1_and_2_is_found(
    versions: dict[str, str], wanted: dict[str, str], ok: bool | None
) -> None:
    check = hosts.numpy(versions, wanted)
    assert check.ok is ok
    assert bool(check.remedy) == (ok is not True)


def test_the_numpy_that_tflite_runtime_was_built_for_is_known() -> None:
    wanted = hosts.wanted_numpy({"tflite-runtime": "2.14.0", "numpy": "2.1.0"})
    assert wanted == {"tflite-runtime": "<2"}


def test_only_what_reaches_the_named_devices_is_needed() -> None:
    assert client(None, needed=False).ok is None
    assert client(None, needed=True).ok is False
    assert android.package({}, needed=False).ok is None
    remedy = android.package({}, needed=True).remedy
    assert remedy.endswith("-m pip install 'edge-distill[adb]'")
    assert android.package({"adbutils": "2.8.0"}, needed=True).ok


def test_a_full_disk_and_an_old_python_are_errors(tmp_path: Path) -> None:
    assert hosts.room("disk", tmp_path, free_bytes=10).ok is False
    assert hosts.python((3, 10, 1), requires=">=3.11,<3.14").ok is False
    assert hosts.python((3, 12, 1), requires=">=3.11,<3.14").ok


def test_a_broken_inventory_is_a_check(tmp_path: Path) -> None:
    def broken() -> dict[str, Device]:
        raise InputError("devices.toml: pi.url: is missing.")

    check = hosts.inventory(broken, [])
    assert (check.ok, check.remedy) == (False, "devices.toml: pi.url: is missing.")


FINE, BAD = Check(name="a", ok=True, found="x"), Check(name="b", ok=False, found="y", remedy="do z")


@pytest.mark.parametrize(
    ("host", "there", "code"), [(FINE, FINE, 0), (FINE, BAD, 3), (BAD, FINE, 2), (BAD, BAD, 2)]
)
def test_the_exit_code_separates_this_machine_from_a_device(
    host: Check, there: Check, code: int
) -> None:
    diagnosis = Diagnosis(host=(host,), devices={"pi4": (there,)})
    assert diagnosis.exit_code == code
    assert diagnosis.document()["ready"] == (code == 0)


def test_a_remedy_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = asdict(BAD) | {"remedy": "do " + "z" * 300}
    print_diagnosis(Diagnosis(host=(FINE,), devices={"pi4": (Check(**long),)}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "this machine"
    assert [line.split() for line in lines[1:4]] == [["ok", "a", "x"], ["pi4"], ["fix", "b", "y"]]
    assert lines[4].strip() == f"-> {long['remedy']}"


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """An environment whose user has nothing configured."""
    return {
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state"),
    }  # fmt: skip


def test_this_machine_can_measure(command: Command, own: dict[str, str]) -> None:
    done = command("doctor", "--json", env=own)
    report = json.loads(done.stdout)
    assert (report["schema"], list(report["devices"])) == ("doctor/1", ["local"])
    local = {check["name"]: check for check in report["devices"]["local"]}
    assert local["tflite"]["found"].startswith("ai-edge-litert")
    assert local["tflite"]["ok"]
    assert local["onnx"]["ok"]
    assert done.returncode == (0 if report["ready"] else 2), done.stdout


def test_devices_are_listed(command: Command, own: dict[str, str], tmp_path: Path) -> None:
    assert "No device is configured. Write an entry" in command("devices", env=own).stdout
    (tmp_path / "devices.toml").write_text('[pi4]\nurl = "ssh://pi@raspberrypi.local"\n')
    assert json.loads(command("devices", "--json", env=own).stdout)["pi4"] == {
        "url": "ssh://pi@raspberrypi.local", "file": "devices.toml", "folder": None,
        "ssh_options": [], "acquire": [], "release": [], "cooldown_c": None,
    }  # fmt: skip
    shown = command("devices", env=own).stdout
    assert shown == "pi4  ssh://pi@raspberrypi.local  (devices.toml)\n"


def test_what_cannot_be_cleaned_is_an_error(command: Command, own: dict[str, str]) -> None:
    done = command("devices", "clean", "local", env=own)
    assert (done.returncode, done.stdout) == (2, "")
    assert "device local: is this machine" in done.stderr
    done = command("devices", "clean", "pi9", env=own)
    assert "NAME: unknown device 'pi9'. Known: local." in done.stderr


def test_a_device_that_cannot_be_reached_is_exit_3(
    command: Command, own: dict[str, str], tmp_path: Path
) -> None:
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    resolved = 'if [ "$1" = -G ]; then echo hostname away; exit 0; fi'
    refused = "ssh: connect to host away port 22: No route to host"
    ssh.write_text(f"#!/bin/sh\n{resolved}\necho '{refused}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    path = f"{ssh.parent}{os.pathsep}{os.environ['PATH']}"
    done = command("doctor", "--device", "ssh://away", env={**own, "PATH": path})
    assert done.returncode == 3, done.stdout
    assert "-> No route to it. Is it switched on, and in this network?" in done.stdout
