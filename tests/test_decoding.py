"""What a device sent, decoded where it arrives."""

import json
from pathlib import Path

import numpy as np
import pytest

from targets.bench.case import BenchCase
from targets.bench.runner import AgentRunner
from targets.errors import DeviceError
from tests.fuzzing.result import AGENT, ANSWERS, MODES, Sender


def answered(folder: Path, mode: str, content: bytes) -> None:
    link = Sender(folder / "device", name="pi4")
    link.content = content
    (folder / "a.onnx").write_bytes(b"")
    case = BenchCase(name="a.onnx", format="onnx", path=folder / "a.onnx")
    job = {"mode": mode, "seed": "0", "samples": None}
    AgentRunner(link=link, folder=folder).run(case, job)  # type: ignore[arg-type] # a literal


@pytest.mark.parametrize("mode", MODES)
def test_the_answer_of_the_agent_is_read(tmp_path: Path, mode: str) -> None:
    answered(tmp_path, mode, json.dumps({**AGENT, **ANSWERS[mode]}).encode())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"null", b"[]", b"{}", b"3", b"{", b"[" * 100_000, b'{"error": null}',
     b'{"error": {"phase": "load"}}', b'{"pid": 1' + b"0" * 5000 + b"}"],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_the_failure_of_the_device(
    tmp_path: Path, mode: str, content: bytes
) -> None:
    with pytest.raises(DeviceError, match=r"device pi4: a\.onnx in onnxruntime: ") as error:
        answered(tmp_path, mode, content)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("mode", "more", "match"),
    [
        ("latency", {"samples_ns": []}, "samples_ns: "),
        ("latency", {"samples_ns": ["soon"]}, "samples_ns.0: "),
        ("latency", {"samples_ns": [10**19]}, "the measuring process failed"),
        ("latency", {"model": "another"}, "model is not for the device to say"),
        ("latency", {"index": 7}, "index is not for the device to say"),
        ("latency", {"others_cpu": float("nan")}, "others_cpu: "),
        ("describe", {"inputs": [{"name": "x"}]}, "inputs.0.shape: "),
        ("accuracy", {"outputs": "/etc/passwd"}, "outputs that the job did not ask for"),
        ("accuracy", {"samples": None}, "samples: "),
    ],
)
def test_a_value_that_no_agent_sends_is_named(
    tmp_path: Path, mode: str, more: dict[str, object], match: str
) -> None:
    content = json.dumps({**AGENT, **ANSWERS[mode], **more}).encode()
    with pytest.raises(DeviceError, match=match):
        answered(tmp_path, mode, content)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4", b"\x93NUMPY", b"\x93NUMPY\1\0\xff\xff{", b"\x80\4K\1.",
     b"\x93NUMPY\1\0\x0a\0{'descr'(\n"],
)  # fmt: skip
def test_outputs_that_cannot_be_read_are_the_failure_of_the_device(
    tmp_path: Path, content: bytes
) -> None:
    link = Sender(tmp_path / "device", name="pi4")
    link.content = content
    with pytest.raises(DeviceError, match="device pi4: sent outputs that cannot be read"):
        AgentRunner(link=link, folder=tmp_path).array("there/outputs.npy")


def test_outputs_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.array(["a"]))
    link = Sender(tmp_path / "device", name="pi4")
    link.content = (tmp_path / "text.npy").read_bytes()
    with pytest.raises(DeviceError, match="are no numbers"):
        AgentRunner(link=link, folder=tmp_path).array("there/outputs.npy")
