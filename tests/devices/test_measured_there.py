"""A model has the same outputs on a device as here, and the device is left as it was."""

import platform
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from targets.bench.case import BenchCase
from targets.bench.plan import Bench, BenchPlan
from targets.bench.runner import AgentRunner
from targets.devices.contract import Completed, Link, LinkLost, Provisioned, WantedRuntime
from targets.devices.facts import Cpu, DeviceFacts, Interpreter
from targets.devices.local.link import LocalLink
from targets.devices.probe import probe
from targets.devices.provisioning import provision
from targets.devices.ssh.link import SshLink
from targets.errors import DeviceError
from targets.runtimes import RUNTIMES
from tests.conftest import Lane, stripes
from tests.devices.by_command import local_runtime
from tests.devices.pi import Pi

pytestmark = pytest.mark.device

SAMPLES = 100
INSTALLED_ONNX = WantedRuntime(format="onnx", install=False)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("samples") / "samples.npy"
    np.save(path, stripes(SAMPLES, seed=5)["images"][..., None])
    return path


@pytest.fixture(scope="module")
def facts(pi: Pi) -> DeviceFacts:
    link = pi.link()
    found = probe(link)
    link.close()
    return found


@pytest.fixture
def pi_link(pi: Pi) -> Iterator[SshLink]:
    link = pi.link()
    yield link
    link.clean()
    link.close()


SHORT = BenchPlan(
    processes=1, min_queries=4, min_duration_s=0, max_duration_s=60, warmup_runs=1, warmup_s=0
)


def bench(link: Link, made: Provisioned, samples: Path, scratch: Path) -> Bench:
    host = AgentRunner(link=link, folder=scratch, timeout_s=100, python=lambda runtime: made.python)
    return Bench(runner=host, plan=SHORT, samples=samples)


@dataclass(frozen=True)
class Undeclared:
    """An emulated device whose environment does not declare it."""

    link: SshLink
    name: str = "undeclared"

    def run(self, argv: Sequence[str], *, env: Any, timeout_s: float) -> Completed:
        return self.link.run(argv, env={"EDGE_DISTILL_EMULATED": ""}, timeout_s=timeout_s)


# LiteRT is measured in test_by_command.
@pytest.mark.parametrize("runtime", ["tflite_runtime", "onnxruntime"])
def test_a_pi_gives_the_labels_of_the_same_runtime_here(
    pi_link: SshLink, facts: DeviceFacts, runtime: str, finished: Lane, samples: Path,
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if runtime == "tflite_runtime":
        pytest.importorskip("tflite_runtime", reason="ends at CPython 3.11")
    kind = "onnx" if runtime == "onnxruntime" else "tflite"
    model = finished.out / "tiny" / "models" / f"student.int8.{kind}"
    lines: list[str] = []
    wanted = WantedRuntime(format=kind, runtime=runtime)
    made = provision(pi_link, facts, wanted, cache=wheels, say=lines.append)
    assert (made.runtime, made.reused, len(lines)) == (runtime, False, 1)

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    again = provision(pi_link, facts, wanted, cache=tmp_path, say=lines.append)
    assert (again.python, again.reused, len(lines)) == (made.python, True, 1)

    subject = BenchCase(name="int8", format=kind, path=model, runtime=RUNTIMES[runtime])
    on_device = bench(pi_link, made, samples, tmp_path)
    there, record = on_device.outputs(subject)
    (block,) = on_device.latency([subject], say=lines.append)
    assert block.samples_ns

    local = LocalLink(tmp_path)
    mine = local_runtime(tmp_path, kind, runtime)
    here, _ = bench(local, mine, samples, tmp_path).outputs(subject)
    assert record["runtime"]["version"] == made.version == mine.version
    assert there is not None
    assert here is not None
    assert there.shape == here.shape == (SAMPLES, 3)
    assert (there.argmax(1) == here.argmax(1)).mean() >= 0.995


def test_the_facts_of_a_pi_are_read(facts: DeviceFacts) -> None:
    assert facts.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert (facts.arch, facts.abi, facts.userland_bits) == ("aarch64", "aarch64", 64)
    assert (facts.libc or "").startswith("glibc 2.")
    assert facts.cpus[0] == Cpu(id=0, max_hz=1_500_000_000, governor="ondemand")
    assert len(facts.cpus) == 4
    assert facts.throttled_raw == "0x0"
    assert facts.pythons[0].pointer_bits == 64
    assert facts.disk_free_bytes
    assert facts.mem_total_bytes
    assert facts.missing_tools == ()


def test_an_emulated_device_is_recognized(
    pi_link: SshLink, link: SshLink, facts: DeviceFacts
) -> None:
    assert facts.emulated
    assert not probe(link).emulated
    assert probe(cast(Link, Undeclared(pi_link))).emulated


def test_a_rebooted_device_keeps_what_it_has(pi: Pi, pi_link: SshLink, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    there = pi_link.push(tmp_path / "model")

    def off() -> None:
        time.sleep(2)
        pi.stop()

    pulled = threading.Thread(target=off)
    pulled.start()
    with pytest.raises(LinkLost, match="device pi: the connection was lost while a command"):
        pi_link.run(["sleep", "60"], timeout_s=90)
    pulled.join()
    try:
        with pytest.raises(LinkLost, match="device pi: it refuses ssh connections"):
            pi_link.run(["true"], timeout_s=10)
    finally:
        pi.start()
    pi_link.pull(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"weights"


def test_a_full_disk_is_an_error_and_leaves_no_half_file(pi: Pi, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(bytes(200_000))
    link = pi.link(folder="small/ours")
    with pytest.raises(DeviceError, match=r"could not push model\.tflite .*its disk is full"):
        link.push(tmp_path / "model.tflite")
    assert link.run(["find", link.root(), "-size", "+1"], timeout_s=10).stdout.count("/") < 20
    assert "model" not in link.run(["find", link.root()], timeout_s=10).stdout
    link.clean()
    link.close()


def test_an_environment_that_does_not_fit_on_the_disk_is_an_error(
    pi: Pi, facts: DeviceFacts, wheels: Path
) -> None:
    link = pi.link(folder="small/ours")
    with pytest.raises(DeviceError, match=r"its disk is full\..* pipeline devices clean pi"):
        provision(link, facts, WantedRuntime(format="tflite"), cache=wheels, say=print)
    link.clean()
    link.close()


def test_wheels_of_another_architecture_are_an_error_and_leave_nothing(
    link: SshLink, facts: DeviceFacts, wheels: Path
) -> None:
    mistaken = replace(probe(link), abi=facts.abi)
    with pytest.raises(
        DeviceError, match=r"device hostpi: ai-edge-litert.* could not be installed"
    ):
        provision(link, mistaken, WantedRuntime(format="tflite"), cache=wheels, say=print)
    assert link.run(["ls", link.remote_path("")], timeout_s=10).stdout == ""


def test_nothing_is_installed_where_that_is_forbidden(link: SshLink, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"is installed there\. Leave out --no-install"):
        provision(link, probe(link), INSTALLED_ONNX, cache=tmp_path, say=print)
    assert link.run(["ls", link.remote_path("")], timeout_s=10).stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_runtime_that_the_owner_installed_is_used_where_nothing_may_be(
    link: SshLink, tmp_path: Path
) -> None:
    ours = Interpreter(path=sys.executable, version=platform.python_version())
    known = replace(probe(link), pythons=(ours,))
    made = provision(link, known, INSTALLED_ONNX, cache=tmp_path, say=print)
    assert (made.runtime, made.reused) == ("onnxruntime", True)


def test_an_agent_that_is_killed_is_an_error(
    link: SshLink, finished: Lane, samples: Path, tmp_path: Path
) -> None:
    mine = local_runtime(tmp_path, "tflite")
    killer = tmp_path / "python"
    killer.write_text(f'#!/bin/sh\n{mine.python} "$@" & sleep 1; kill -KILL $!; wait $!\n')
    killer.chmod(0o755)
    subject = BenchCase(
        name="int8",
        format="tflite",
        path=finished.out / "tiny" / "models" / "student.int8.tflite",
    )
    made = replace(mine, python=str(killer))
    endless = replace(SHORT, min_duration_s=1000, max_duration_s=1000)
    killed = replace(bench(link, made, samples, tmp_path), plan=endless)
    with pytest.raises(DeviceError, match=r"device hostpi: .* was killed, most likely because"):
        killed.latency([subject], say=print)
