"""The reader of what a device sent: `DeviceError`, or `InputError` for a file that the agent says
it cannot load."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from targets.bench.case import BenchCase
from targets.bench.runner import AgentRunner
from targets.devices.contract import Completed
from targets.devices.fake.link import FakeLink
from targets.errors import DeviceError, InputError

MODES = ("describe", "latency", "memory", "profile", "accuracy")
AGENT: dict[str, Any] = {
    "schema": "agent/2", "pid": 1, "python": "3.11", "numpy": "2", "cpu_features": [],
    "runtime": {"name": "onnxruntime", "version": "1", "threads": 1},
    "phases": {"import_ns": 1, "load_ns": 1, "first_inference_ns": 1},
    "tensorflow_imported": False,
}  # fmt: skip
TENSOR = {"name": "x", "shape": [1, None], "dtype": "float32", "quantization": [0.5, 3]}
ANSWERS: dict[str, dict[str, Any]] = {
    "describe": {"inputs": [TENSOR], "outputs": [TENSOR], "operators": {"Add": 1}},
    "latency": {"warmup_ns": [1], "samples_ns": [1, 2], "stop_reason": "min_met"},
    "memory": {"memory": None},
    "profile": {"source": None, "ops": None},
    "accuracy": {"samples": 1, "outputs": None, "outputs_sha256": "0"},
}


class Sender(FakeLink):
    """A device that sends these bytes, whatever it is asked."""

    content = b""

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        return Completed(returncode=0)

    def push(self, path: Path) -> str:
        return str(path)

    def pull(self, remote: str, to: Path) -> None:
        to.write_bytes(self.content)


def target(folder: Path, corpus: Path) -> Callable[[bytes], None]:
    """The first byte says what the others are: the result of a mode, or an .npy."""
    link = Sender(folder / "device")
    runner = AgentRunner(link=link, folder=folder)
    (folder / "a.onnx").write_bytes(b"")
    case = BenchCase(name="a.onnx", format="onnx", path=folder / "a.onnx")
    npy = io.BytesIO()
    np.save(npy, np.zeros((1, 3), np.float32))
    results = [json.dumps({**AGENT, **ANSWERS[mode]}).encode() for mode in MODES]
    for place, seed in enumerate((*results, npy.getvalue())):
        (corpus / str(place)).write_bytes(bytes([place]) + seed)

    def run(data: bytes) -> None:
        kind, link.content = data[0] % (len(MODES) + 1) if data else 0, data[1:]
        with suppress(DeviceError, InputError):
            if kind < len(MODES):
                runner.run(case, {"mode": MODES[kind], "seed": "0", "samples": None})
            else:
                runner.array("device/outputs.npy")

    return run
