"""`pipeline bench --device` over SSH, from the probe to an empty folder, and with faults."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from targets.bench.result import read
from targets.devices.contract import DeviceSession
from tests.brief import brief
from tests.conftest import Lane
from tests.devices.by_command import Given, Watcher, invoke, no_speed_up, whole_way
from tests.devices.pi import Pi
from tests.devices.sshd import Host
from tests.picture_models import delivered, noisy

pytestmark = pytest.mark.device
RUNTIME = "ai_edge_litert"


@pytest.fixture(scope="module")
def given(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given.make(finished, tmp_path_factory.mktemp("given"), runtime=RUNTIME)


@pytest.fixture(autouse=True)
def configured(host: Host, pi: Pi, project: Path) -> Iterator[None]:
    """Both have their entry, and are left as they were."""
    (project / "devices.toml").write_text(host.entry() + pi.entry())
    yield
    for device in (host, pi):
        link = device.link()
        link.clean()
        link.close()


@pytest.mark.usefixtures("noisy")
def test_the_whole_way_on_this_machine_over_ssh(host: Host, given: Given) -> None:
    document = whole_way(host.name, given)
    assert (document.device.adapter, document.device.emulated) == ("ssh", False)
    assert not (host.home / ".edge-distill").exists()


def test_pictures_have_the_accuracy_there_that_predict_has_here(host: Host, tmp_path: Path) -> None:
    delivered(tmp_path / "m.onnx")
    for number, (label, shown) in enumerate([("red", "red"), ("green", "blue"), ("blue", "blue")]):
        path = tmp_path / "photos" / "test" / label / f"{number}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(noisy(shown, seed=number)).save(path)
    argv = ("bench", tmp_path / "m.onnx", "--data", tmp_path / "photos", "--device", host.name)
    done = invoke(*argv, "--tier", "rapid", "--out", "out")
    assert done.return_value == 0, done.output
    (accuracy,) = read(Path("out", f"{host.name}.json")).accuracy
    predicted = invoke("predict", tmp_path / "m.onnx", tmp_path / "photos" / "test", "--json")
    assert json.loads(predicted.stdout)["accuracy"]["top1"] == 2 / 3
    assert accuracy.top1 == 2 / 3


def reboot(device: Host | Pi) -> None:
    device.stop()
    time.sleep(1)
    device.start()


@pytest.mark.slow  # its twins: the whole way over ssh, and a device that starts again in a block
def test_the_whole_way_on_a_pi_that_starts_again_in_the_middle(
    pi: Pi, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(at="block 2/2", act=lambda: reboot(pi))
    monkeypatch.setattr("pipeline.engine.progress.console", lambda: watcher)
    document = whole_way(pi.name, given)
    assert any("Trying again for" in text for text in watcher.lines)
    assert no_speed_up(document)
    assert document.device.model == "Raspberry Pi 4 Model B Rev 1.4"
    for block in document.blocks:
        assert block.env_before is not None
        assert block.env_after is not None
        assert (block.env_before.throttled_raw, block.env_after.temp_c) == ("0x0", 48.2)


@pytest.fixture
def long_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three seconds: something can happen in the middle of one."""
    brief(monkeypatch, min_duration_s=6)


def measured_while(
    watcher: Watcher, device: str, given: Given, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr("pipeline.engine.progress.console", lambda: watcher)
    done = invoke(
        "bench", given.baseline, "--device", device, "--runtime", given.runtime, "--tier", "rapid",
        "--out", "out",
    )  # fmt: skip
    assert watcher.done.wait(30)
    return done


@pytest.mark.usefixtures("long_blocks")
def test_a_device_that_starts_again_goes_on_at_the_block_that_it_was_in(
    host: Host, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(at="block 2/2", act=lambda: reboot(host))
    done = measured_while(watcher, host.name, given, monkeypatch)
    assert done.return_value == 0, done.output
    assert any("lost while a command ran there" in text for text in watcher.lines)
    assert any("Trying again for" in text for text in watcher.lines)
    assert sum("block 1/2" in text for text in watcher.lines) == 1
    blocks = read(Path("out", f"{host.name}.json")).blocks
    assert [(block.index, block.stop_reason) for block in blocks] == [
        (0, "min_met"),
        (1, "min_met"),
    ]


@pytest.mark.usefixtures("long_blocks")
def test_a_cable_that_stays_out_is_an_error_and_nothing_is_published(
    host: Host, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeviceSession, "retry_s", 1.0)
    try:
        watcher = Watcher(at="block 1/2", act=host.stop)
        done = measured_while(watcher, host.name, given, monkeypatch)
    finally:
        host.start()
    assert done.return_value == 3
    assert f"Error: device {host.name}: it refuses ssh connections" in done.stderr
    assert not Path("out").exists()


def test_a_process_that_does_not_end_is_ended_there(
    host: Host, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief(monkeypatch, min_duration_s=59)
    done = invoke(
        "bench", given.baseline, "--device", host.name, "--runtime", given.runtime, "--tier",
        "rapid", "--timeout", 4, "--out", "out",
    )  # fmt: skip
    assert done.return_value == 3
    assert "not done after 4 s and ended. Raise" in done.stderr
    assert not host.running("agent.pyz")
