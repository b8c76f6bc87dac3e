"""Jobs for the agent: a folder with models and samples, and inputs."""

import base64
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.agent.inputs import Inputs
from targets.bench.agent.job import AgentJob, InputSpec, Job, finish
from targets.bench.agent.measure import ready, run
from targets.bench.agent.session import Session, Settings, import_runtime
from targets.bench.archive import packed
from targets.runtimes import RUNTIMES
from tests.models import onnx_file, tflite_file

AGENT = packed(RUNTIMES["onnxruntime"])
BOTH = pytest.mark.parametrize("runtime", ["ai_edge_litert", "onnxruntime"])


def random_input(dtype: str, shape: list[int], low: float = 0, high: float = 1) -> InputSpec:
    return {"kind": "random", "dtype": dtype, "shape": shape, "low": low, "high": high}


def sampled(dtype: str, shape: list[int], adapter: Any = None) -> dict[str, Any]:
    return {"kind": "samples", "dtype": dtype, "shape": shape, "adapter": adapter}


@dataclass(frozen=True)
class Device:
    """A folder with models and samples, and jobs for them."""

    folder: Path
    defaults: dict[str, Any] = field(default_factory=dict)

    def model(self, runtime: str, operator: str, *inputs: Any, **more: Any) -> str:
        """A file in which each of `inputs`, (name, dtype, shape), goes through `operator`."""
        write = onnx_file if runtime == "onnxruntime" else tflite_file
        path = self.folder / "model"
        path.write_bytes(write(operator, inputs, **more))
        return str(path)

    def tiny(self, runtime: str) -> str:
        path = self.folder / f"tiny-{runtime}"
        path.write_bytes(base64.b64decode(RUNTIMES[runtime].session.SELF_TEST_MODEL))
        return str(path)

    def saved(self, array: Any, name: str = "samples") -> str:
        path = self.folder / f"{name}.npy"
        np.save(path, array)
        return str(path)

    def job(self, mode: str, runtime: str, model: str, **more: Any) -> dict[str, Any]:
        return {
            "mode": mode, "runtime": runtime, "model": model, "threads": 1, "affinity": None,
            "out": str(self.folder / "out.json"), "seed": "7:0", "inputs": {}, "samples": None,
            "output_index": 0, "outputs": str(self.folder / "outputs.npy"), "warmup_runs": 2,
            "warmup_ns": 0, "min_queries": 5, "min_duration_ns": 0, "max_duration_ns": 10**10,
            **more,
        }  # fmt: skip

    def run(self, *job: Any, **more: Any) -> dict[str, Any]:
        """The result, measured in this process."""
        seen = json.loads(json.dumps(self.job(*job, **more)), object_hook=Job)
        return dict(json.loads(json.dumps(run(seen))))

    def opened(self, **more: Any) -> tuple[AgentJob, Session, Inputs]:
        """A job for the tiny model, loaded in this process."""
        tiny = self.tiny("onnxruntime")
        job = json.loads(
            json.dumps(self.job("latency", "onnxruntime", tiny, **more)), object_hook=Job
        )
        session = RUNTIMES["onnxruntime"].session
        module, _ = import_runtime(session)
        model = session.open_session(module, tiny, Settings(1, {}, None))
        return job, model, ready(job, model)[0]

    def process(self, *job: Any, flags: tuple[str, ...] = ("-I",), **more: Any) -> Any:
        """(result, exit code, stderr) of a process of its own."""
        made = self.job(*job, **more)
        (self.folder / "job.json").write_text(json.dumps(made))
        argv = [sys.executable, *flags, str(AGENT), str(self.folder / "job.json")]
        done = subprocess.run(argv, capture_output=True, text=True)
        return json.loads(Path(made["out"]).read_text()), done.returncode, done.stderr

    def fails(self, *job: Any, **more: Any) -> dict[str, Any]:
        code = finish(lambda: self.run(*job, **more), self.job(*job, **more)["out"])
        assert code == 1
        result = json.loads((self.folder / "out.json").read_text())
        assert set(result) == {"schema", "error"}
        error: dict[str, Any] = result["error"]
        return error

    def outputs(self) -> Any:
        return np.load(self.folder / "outputs.npy")
