"""The doctor on the stand-ins, and cleaning up by the name of an entry."""

import json
from pathlib import Path

import pytest

from targets.devices.contract import Device
from targets.devices.doctor import in_order
from targets.devices.doctor.diagnosis import device_checks
from targets.devices.inventory import device
from tests.conftest import Command
from tests.devices.pi import Pi
from tests.devices.sshd import Host

pytestmark = pytest.mark.device


def entry(stand_in: Host | Pi, folder: Path) -> Device:
    config = stand_in.keys.folder / "config"
    path = folder / "devices.toml"
    path.write_text(f'[it]\nurl = "ssh://{stand_in.name}"\nssh_options = ["-F", "{config}"]\n')
    return device("it", files=[path])


def test_a_device_without_a_runtime_cannot_measure_where_none_may_be_installed(
    host: Host, command: Command, tmp_path: Path
) -> None:
    entry(host, tmp_path)
    own = {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = command("doctor", "--device", "it", "--no-install", "--json", env=own)
    assert done.returncode in (2, 3), done.stderr  # 2: this machine lacks something of its own
    checks = {check["name"]: check for check in json.loads(done.stdout)["devices"]["it"]}
    assert checks["reachable"]["found"] == "ssh://hostpi, its host key is known"
    assert checks["tflite"] == {
        "name": "tflite", "ok": False, "found": "none is installed",
        "remedy": "Leave out --no-install.",
    }  # fmt: skip
    assert (host.home / ".edge-distill").exists()
    done = command("devices", "clean", "it", "--json", env=own)
    assert json.loads(done.stdout) == {"device": "it", "cleaned": True}
    assert not (host.home / ".edge-distill").exists()


def test_an_emulated_pi_can_measure_and_its_times_mean_nothing(pi: Pi, tmp_path: Path) -> None:
    there = entry(pi, tmp_path)
    found = list(device_checks(there, say=print))
    checks = {check.name: check for check in found}
    assert in_order(found), found
    assert checks["system"].found.startswith("Raspberry Pi 4 Model B Rev 1.4, aarch64")
    assert checks["speed"].found == "emulated: its times mean nothing"
    assert checks["throttling"].ok
    assert checks["tflite"].found.startswith("ai-edge-litert")
    assert checks["onnx"].found.startswith("onnxruntime")
    link = pi.link()
    assert link.run(["ls", link.remote_path("")], timeout_s=30).stdout == ""
    link.clean()
    link.close()
