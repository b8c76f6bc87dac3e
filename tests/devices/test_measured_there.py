"""On a device a model gives what it gives here, and the device is left as it was."""

import json
import platform
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from targets.bench.protocol import AGENT
from targets.errors import DeviceError
from targets.links.link import Completed, Link, LinkLost
from targets.links.local import LocalLink
from targets.links.ssh import SshLink
from targets.probe import probe
from targets.provision import Provisioned, provision
from tests.conftest import Lane, stripes
from tests.devices.pi import Pi

pytestmark = pytest.mark.device

SAMPLES = 100
Said = list[str]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("samples") / "samples.npy"
    np.save(path, stripes(SAMPLES, seed=5)["images"][..., None])
    return path


@pytest.fixture(scope="module")
def seen(pi: Pi) -> dict[str, Any]:
    link = pi.link()
    facts = probe(link)
    link.close()
    return facts


@pytest.fixture
def pi_link(pi: Pi) -> Iterator[SshLink]:
    link = pi.link()
    yield link
    link.clean()
    link.close()


def job(link: Link, made: Provisioned, model: Path, samples: Path) -> dict[str, Any]:
    return {
        "runtime": made.runtime,
        "model": link.put(model),
        "samples": link.put(samples),
        "adapter": None,
        "outputs": link.place("outputs.npy"),
        "out": link.place("result.json"),
        "mode": "accuracy",
        "threads": 1,
        "seed": "0",
    }


def outputs(
    link: Link, made: Provisioned, model: Path, samples: Path, scratch: Path
) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
    """Of every sample, by the agent on the device; and the agent's record."""
    asked = job(link, made, model, samples)
    (scratch / "job.json").write_text(json.dumps(asked))
    argv = [made.python, "-I", link.put(AGENT), link.put(scratch / "job.json")]
    done = link.run(argv, env=made.env, timeout_s=100)
    assert done.returncode == 0, done.stderr
    link.fetch(asked["outputs"], scratch / "outputs.npy")
    link.fetch(asked["out"], scratch / "result.json")
    logits: npt.NDArray[np.float32] = np.load(scratch / "outputs.npy")
    return logits, json.loads((scratch / "result.json").read_text())


@dataclass(frozen=True)
class Undeclared:
    """A device without the word of its maker that it is emulated."""

    link: SshLink
    name: str = "undeclared"

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        return self.link.run(argv, env={"EDGE_DISTILL_EMULATED": ""}, timeout_s=timeout_s)


def measured_there_and_here(
    link: SshLink, facts: dict[str, Any], runtime: str, *, lane: Lane, samples: Path,
    scratch: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    kind = "onnx" if runtime == "onnxruntime" else "tflite"
    model = lane.out / "tiny" / "models" / f"student.int8.{kind}"
    said: Said = []
    made = provision(link, facts, kind, cache=wheels, say=said.append, runtime=runtime)
    assert (made.runtime, made.reused, len(said)) == (runtime, False, 1)

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    again = provision(link, facts, kind, cache=scratch, say=said.append, runtime=runtime)
    assert (again.python, again.reused, len(said)) == (made.python, True, 1)

    there, record = outputs(link, made, model, samples, scratch)
    here_link = LocalLink()
    mine = provision(here_link, {}, kind, cache=wheels, say=said.append, runtime=runtime)
    here, _ = outputs(here_link, mine, model, samples, scratch)
    here_link.close()
    assert record["runtime"]["version"] == made.version == mine.version
    assert there.shape == here.shape == (SAMPLES, 3)
    assert (there.argmax(1) == here.argmax(1)).mean() >= 0.995

    link.clean()
    assert link.run(["ls", "-A", link.folder], timeout_s=10).returncode != 0


@pytest.mark.parametrize("runtime", ["ai_edge_litert", "tflite_runtime", "onnxruntime"])
def test_a_pi_gives_the_labels_of_the_same_runtime_here(
    pi_link: SshLink, seen: dict[str, Any], runtime: str, finished: Lane, samples: Path,
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if runtime == "tflite_runtime":
        pytest.importorskip("tflite_runtime", reason="ends at CPython 3.11")
    measured_there_and_here(
        pi_link, seen, runtime, lane=finished, samples=samples, scratch=tmp_path, wheels=wheels,
        monkeypatch=monkeypatch,
    )  # fmt: skip


def test_this_machine_over_ssh_gives_the_labels_of_this_machine(
    link: SshLink, finished: Lane, samples: Path, tmp_path: Path, wheels: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    measured_there_and_here(
        link, probe(link), "ai_edge_litert", lane=finished, samples=samples, scratch=tmp_path,
        wheels=wheels, monkeypatch=monkeypatch,
    )  # fmt: skip


def test_a_pi_is_seen_as_what_it_is(seen: dict[str, Any]) -> None:
    assert seen["model"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert (seen["arch"], seen["abi"], seen["userland_bits"]) == ("aarch64", "aarch64", 64)
    assert seen["libc"].startswith("glibc 2.")
    assert seen["cpus"][0] == {"id": 0, "max_hz": 1_500_000_000, "governor": "ondemand"}
    assert len(seen["cpus"]) == 4
    assert (seen["throttled_raw"], seen["temp_c"]) == ("0x0", 48.2)
    assert seen["pythons"][0]["pointer_bits"] == 64
    assert seen["disk_free_bytes"] > 0
    assert seen["mem_total_bytes"] > 0
    assert seen["missing_tools"] == []


def test_an_emulated_device_says_so_and_a_real_one_does_not(
    pi_link: SshLink, link: SshLink, seen: dict[str, Any]
) -> None:
    assert seen["emulated"]
    assert not probe(link)["emulated"]
    # Also where nobody declared it.
    assert probe(cast(Link, Undeclared(pi_link)))["emulated"]


def test_a_rebooted_device_keeps_what_it_has(pi: Pi, pi_link: SshLink, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    there = pi_link.put(tmp_path / "model")

    def off() -> None:
        time.sleep(2)
        pi.stop()

    pulled = threading.Thread(target=off)
    pulled.start()
    with pytest.raises(LinkLost, match="device pi: the connection was lost while a command"):
        pi_link.run(["sleep", "60"], timeout_s=90)
    pulled.join()
    try:
        with pytest.raises(LinkLost, match="device pi: it is there but takes no ssh connection"):
            pi_link.run(["true"], timeout_s=10)
    finally:
        pi.start()
    pi_link.fetch(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"weights"


def test_a_full_disk_is_told_and_leaves_no_half_file(pi: Pi, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(bytes(200_000))
    link = pi.link(folder="small/ours")
    with pytest.raises(DeviceError, match=r"could not bring model\.tflite .*its disk is full"):
        link.put(tmp_path / "model.tflite")
    assert link.run(["find", link.root(), "-size", "+1"], timeout_s=10).stdout.count("/") < 20
    assert "model" not in link.run(["find", link.root()], timeout_s=10).stdout
    link.clean()
    link.close()


def test_an_environment_that_does_not_fit_on_the_disk_is_told(
    pi: Pi, seen: dict[str, Any], wheels: Path
) -> None:
    link = pi.link(folder="small/ours")
    with pytest.raises(DeviceError, match=r"its disk is full\..* pipeline devices clean pi"):
        provision(link, seen, "tflite", cache=wheels, say=print)
    link.clean()
    link.close()


def test_wheels_of_another_architecture_are_told_and_leave_nothing(
    link: SshLink, seen: dict[str, Any], wheels: Path
) -> None:
    mistaken = {**probe(link), "abi": seen["abi"]}
    with pytest.raises(
        DeviceError, match=r"device hostpi: ai-edge-litert.* could not be installed"
    ):
        provision(link, mistaken, "tflite", cache=wheels, say=print)
    assert link.run(["ls", link.place("")], timeout_s=10).stdout == ""


def test_nothing_is_installed_where_that_is_forbidden(link: SshLink, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"is installed there\. Leave out --no-install"):
        provision(link, probe(link), "onnx", cache=tmp_path, say=print, install=False)
    assert link.run(["ls", link.place("")], timeout_s=10).stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_runtime_that_the_owner_installed_is_used_where_nothing_may_be(
    link: SshLink, tmp_path: Path
) -> None:
    ours = {"path": sys.executable, "version": platform.python_version(), "numpy": None}
    facts = {**probe(link), "pythons": [ours]}
    made = provision(link, facts, "onnx", cache=tmp_path, say=print, install=False)
    assert (made.runtime, made.reused) == ("onnxruntime", True)


def test_an_agent_that_is_killed_is_not_one_that_was_late(
    link: SshLink, finished: Lane, samples: Path, tmp_path: Path
) -> None:
    mine = provision(LocalLink(), {}, "tflite", cache=tmp_path, say=print)
    model = finished.out / "tiny" / "models" / "student.int8.tflite"
    endless = {
        **job(link, mine, model, samples),
        "mode": "latency", "warmup_runs": 0, "warmup_ns": 10**12, "min_queries": 1,
        "min_duration_ns": 0, "max_duration_ns": 10**12,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(endless))
    agent = [mine.python, "-I", link.put(AGENT), link.put(tmp_path / "job.json")]
    script = '"$@" & sleep 1; kill -KILL $!; wait $!'
    done = link.run(["sh", "-c", script, "sh", *agent], timeout_s=60)
    assert (done.returncode, done.timed_out) == (137, False)
    with pytest.raises(DeviceError, match=r"could not fetch .*result\.json"):
        link.fetch(endless["out"], tmp_path / "result.json")
