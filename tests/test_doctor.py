"""The doctor says what is there, what is missing, and what mends it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.devices_command import Diagnosis
from pipeline.reporting.devices_table import print_diagnosis
from targets.devices.doctor import Check, android, in_order
from targets.devices.doctor import device as devices
from targets.devices.doctor import host as hosts
from targets.devices.install_options import candidates
from targets.devices.inventory import Device, device
from targets.devices.link import Completed, Link
from targets.devices.probe import described, parsed
from targets.devices.provisioning import Provisioned
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


def facts(**changes: Any) -> dict[str, Any]:
    seen = parsed(PI)
    assert seen is not None
    return {**described("pi4", seen), **changes}


def by_name(checks: Sequence[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@dataclass
class ScriptedLink:
    """Answers by what stands in the command; says nothing else."""

    answers: Mapping[str, Completed]
    name: str = "pi4"
    ran: list[list[str]] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        self.ran.append(list(argv))
        found = [done for word, done in self.answers.items() if word in " ".join(argv)]
        return found[0] if found else Completed(returncode=0)

    def put(self, path: Path) -> str:
        return f"/ours/files/{path.name}"

    def place(self, name: str) -> str:
        return f"/ours/made/{name}"

    def fetch(self, there: str, to: Path) -> None:
        raise AssertionError(there)

    def close(self) -> None:
        self.ran.append(["closed"])


def examined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answers: Mapping[str, Completed],
    *, has_wheels: bool = True, install: bool = True,
) -> tuple[dict[str, Check], ScriptedLink]:  # fmt: skip
    link = ScriptedLink(answers={**answers, "BEGIN-PROBE": Completed(returncode=0, stdout=PI)})
    monkeypatch.setattr(devices, "open_link", lambda device, scratch: link)
    monkeypatch.setattr(devices, "fetched", lambda *a, **k: tmp_path if has_wheels else None)
    pi = device("ssh://pi@pi4.invalid")
    found = devices.device_checks(pi, scratch=tmp_path, wheels=tmp_path, install=install)
    return by_name(list(found)), link


def selftested(ok: bool) -> Completed:
    said = {"ok": ok, "version": "2.1.0" if ok else None, "error": None if ok else "Illegal\nop"}
    runtimes = {"ai_edge_litert": said, "onnxruntime": said, "tflite_runtime": said}
    return Completed(returncode=0, stdout=json.dumps({"numpy": "2.0.0", "runtimes": runtimes}))


def marker(format_name: str) -> Completed:
    first = next(candidates(facts(), format_name, name="pi4"))
    made = {
        "key": first.key, "runtime": first.runtime.name, "version": "2.1.0", "numpy": "2.0.0",
        "python": "/ours/made/env/bin/python",
    }  # fmt: skip
    return Completed(returncode=0, stdout=json.dumps(made) + "\n")


def test_a_pi_that_has_nothing_yet_would_get_the_first_runtime(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen, link = examined(monkeypatch, tmp_path, {})
    assert in_order(list(seen.values()))
    assert seen["reachable"].found == "ssh://pi@pi4.invalid, its host key is known"
    assert seen["system"].found.startswith("Raspberry Pi 4 Model B Rev 1.4, aarch64, Debian")
    assert seen["tflite"].found.startswith("ai-edge-litert")
    assert seen["tflite"].found.endswith("will be installed (Python 3.11)")
    assert seen["onnx"].found.startswith("onnxruntime")
    assert not any("venv" in " ".join(argv) for argv in link.ran)  # nothing was installed
    assert link.ran[-1] == ["closed"]


def test_what_is_installed_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {"installed.json": marker("tflite"), "--selftest": selftested(True)}
    seen, _ = examined(monkeypatch, tmp_path, answers)
    assert seen["tflite"] == Check(
        name="tflite", ok=True, found="ai-edge-litert 2.1.0, installed and tried"
    )
    assert "will be installed" in seen["onnx"].found


def test_what_is_installed_and_broken_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"installed.json": marker("tflite"), "--selftest": selftested(False)}
    seen, _ = examined(monkeypatch, tmp_path, answers)
    assert seen["tflite"].ok is False
    assert "Illegal op" in seen["tflite"].found
    assert seen["tflite"].remedy.startswith("pipeline devices clean pi4")


def test_a_device_that_no_wheel_fits_cannot_measure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen, _ = examined(monkeypatch, tmp_path, {}, has_wheels=False)
    assert seen["tflite"].ok is False
    assert seen["tflite"].remedy.startswith("no wheel of ai-edge-litert, tflite-runtime fits it")
    assert "--native" in seen["tflite"].remedy


def test_where_nothing_may_be_installed_the_owner_s_runtime_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"--selftest": selftested(True)}
    seen, _ = examined(monkeypatch, tmp_path, answers, install=False)
    assert seen["tflite"].found == "ai-edge-litert 2.1.0, the owner's, tried"
    seen, _ = examined(monkeypatch, tmp_path, {"--selftest": selftested(False)}, install=False)
    assert (seen["onnx"].ok, seen["onnx"].remedy) == (False, "Leave out --no-install.")


def test_wheels_that_cannot_be_fetched_are_told() -> None:
    def offline(candidate: object) -> bool:
        raise DeviceError("wheels for aarch64: pip could not fetch them: no network.")

    every = candidates(facts(), "onnx", name="pi4")
    check = devices.would_get("onnx", every, offline, unfit="")
    assert (check.ok, check.found) == (False, "not installed yet")
    assert "pip could not fetch them" in check.remedy


def test_a_device_that_is_away_is_a_check_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    away = device("ssh://pi4.invalid")

    def refuse(link: Link) -> dict[str, Any]:
        raise DeviceError(f"device {away.name}: its host key is not known yet. Connect once.")

    monkeypatch.setattr(devices, "probe", refuse)
    (check,) = devices.device_checks(away, scratch=tmp_path, wheels=tmp_path)
    assert (check.ok, check.found) == (False, "no")
    assert check.remedy == "Its host key is not known yet. Connect once."


@pytest.mark.parametrize(
    ("raw", "ok", "found"),
    [
        ("0x0", True, "none (0x0)"),
        ("0x50000", None, "not now; since it was switched on: under-voltage, throttled (0x50000)"),
        ("0x50005", False, "under-voltage, throttled (0x50005)"),
        ("0x80008", False, "soft temperature limit (0x80008)"),
        (None, None, "not told: no vcgencmd there"),
    ],
)
def test_throttle_bits_are_read(raw: str | None, ok: bool | None, found: str) -> None:
    check = devices.throttling(raw)
    assert (check.ok, check.found) == (ok, found)
    assert ("power supply" in check.remedy) == ("under-voltage" in found)


def test_a_device_s_lacks_are_told_with_the_command_that_mends_them() -> None:
    poor = facts(pythons=[], missing_tools=["tar"], disk_free_bytes=1_000_000, emulated=True)
    every = [*devices.conditions(poor), *devices.equipment(poor, needed_bytes=10_000_000)]
    seen = by_name(every)
    assert {name for name, check in seen.items() if check.ok is False} == {
        "python", "tools", "disk",
    }  # fmt: skip
    assert seen["python"].remedy == "There: sudo apt install python3"
    assert seen["tools"].remedy == "There: sudo apt install coreutils tar"
    assert seen["governor"].ok is None
    assert seen["governor"].remedy.startswith("There: echo performance | sudo tee /sys/")
    assert seen["speed"].found == "emulated: its times mean nothing"


def test_a_device_that_has_its_runtimes_needs_little_room() -> None:
    free = 100_000_000
    assert devices.room(free, needed_bytes=devices.FILES_BYTES).ok
    assert devices.room(free, needed_bytes=devices.ROOM_BYTES).ok is False


def test_a_hot_phone_cannot_measure() -> None:
    phone = {"model": "Pixel 8", "soc": "Tensor G3", "abi": "arm64-v8a", "os": "Android 15"}
    cool, hot, old = (
        by_name(list(android.state_checks({**phone, "emulated": False}, {"thermal_status": s})))
        for s in (0, 3, None)
    )
    assert (cool["throttling"].ok, hot["throttling"].ok, old["throttling"].ok) == (
        True, False, None,
    )  # fmt: skip
    assert cool["system"].found == "Pixel 8, Tensor G3, arm64-v8a, Android 15"


def test_a_phone_s_runtime_is_the_bundle_where_there_is_one_for_it() -> None:
    assert "bundle will be brought" in android.would_bring("tflite", "arm64-v8a").found
    assert "--native" in android.would_bring("tflite", "armeabi-v7a").remedy
    assert android.would_bring("onnx", "x86").found == "cannot be measured on x86"


@pytest.mark.parametrize("works", [True, False])
def test_a_phone_s_bundle_is_tried(works: bool) -> None:
    made = Provisioned(
        runtime="onnxruntime", version="1", numpy="2", python="/ours/python", reused=True
    )
    link = ScriptedLink(answers={"--selftest": selftested(works)})
    seen = by_name(list(android.runtimes(link, "arm64-v8a", {"key": made})))
    assert seen["onnx"].ok is works
    assert seen["tflite"].ok is None
    assert link.ran[0][0] == "/ours/python"


def test_a_library_that_is_missing_or_too_old_is_told() -> None:
    needed = ["numpy>=1.26", "onnx>=1.18", "tf-keras>=2.19"]
    seen = by_name(list(hosts.libraries(needed, {"numpy": "2.1.0", "onnx": "1.17.0"})))
    assert seen["onnx"].found == "1.17.0; >=1.18 is needed"
    assert seen["tf-keras"].found == "not installed; >=2.19 is needed"
    assert seen["tf-keras"].remedy.endswith("-m pip install 'tf-keras>=2.19'")
    assert seen["libraries"].found == "1 of 3 in order: numpy 2.1.0"


@pytest.mark.parametrize(
    ("versions", "wanted", "ok"),
    [
        ({"numpy": "2.1.0"}, {}, True),
        ({"numpy": "1.26.4", "tflite-runtime": "2.14.0"}, {}, True),
        ({"numpy": "2.1.0", "tflite-runtime": "2.14.0"}, {"tflite-runtime": ">=1.23.2"}, None),
        ({"numpy": "2.5.0", "tensorflow": "2.21.0"}, {"tensorflow": "<2.4,>=1.26"}, False),
        ({}, {}, False),
    ],
)
def test_a_clash_of_numpy_1_and_2_is_seen(
    versions: dict[str, str], wanted: dict[str, str], ok: bool | None
) -> None:
    check = hosts.numpy(versions, wanted)
    assert check.ok is ok
    assert bool(check.remedy) == (ok is not True)


def test_only_what_is_asked_for_is_needed() -> None:
    assert hosts.ssh(None, needed=False).ok is None
    assert hosts.ssh(None, needed=True).ok is False
    assert hosts.adb({}, needed=False).ok is None
    assert hosts.adb({}, needed=True).remedy.endswith("-m pip install 'edge-distill[adb]'")
    assert hosts.adb({"adbutils": "2.8.0"}, needed=True).ok


def test_a_full_disk_and_an_old_python_are_told(tmp_path: Path) -> None:
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
def test_the_exit_code_says_who_lacks_something(host: Check, there: Check, code: int) -> None:
    diagnosis = Diagnosis(host=(host,), devices={"pi4": (there,)})
    assert diagnosis.exit_code == code
    assert diagnosis.document()["ready"] == (code == 0)


def test_a_remedy_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = asdict(BAD) | {"remedy": "do " + "z" * 300}
    print_diagnosis(Diagnosis(host=(FINE,), devices={"pi4": (Check(**long),)}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "this machine"
    assert [line.split() for line in lines[1:4]] == [["ok", "a", "x"], ["pi4"], ["mend", "b", "y"]]
    assert lines[4].strip() == f"-> {long['remedy']}"


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """An environment whose user has nothing configured."""
    return {
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state"),
    }  # fmt: skip


def test_this_machine_can_measure(command: Command, own: dict[str, str]) -> None:
    done = command("doctor", "--json", env=own)
    said = json.loads(done.stdout)
    assert (said["schema"], list(said["devices"])) == ("doctor/1", ["local"])
    local = {check["name"]: check for check in said["devices"]["local"]}
    assert local["tflite"]["found"].startswith("ai-edge-litert")
    assert local["tflite"]["ok"]
    assert local["onnx"]["ok"]
    assert done.returncode == (0 if said["ready"] else 2), done.stdout


def test_devices_are_listed(command: Command, own: dict[str, str], tmp_path: Path) -> None:
    assert "No device is configured. Write an entry" in command("devices", env=own).stdout
    (tmp_path / "devices.toml").write_text('[pi4]\nurl = "ssh://pi@raspberrypi.local"\n')
    assert json.loads(command("devices", "--json", env=own).stdout)["pi4"] == {
        "url": "ssh://pi@raspberrypi.local", "file": "devices.toml", "folder": None,
        "ssh_options": [], "acquire": [], "release": [], "cooldown_c": None,
    }  # fmt: skip
    shown = command("devices", env=own).stdout
    assert shown == "pi4  ssh://pi@raspberrypi.local  (devices.toml)\n"


def test_what_cannot_be_cleaned_is_told(command: Command, own: dict[str, str]) -> None:
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
    assert "-> No way to it. Is it switched on, and in this network?" in done.stdout
