"""Every runtime, also one that is added, measures a file of its format through the agent."""

import base64
import importlib
from dataclasses import replace
from pathlib import Path

import click.testing
import numpy as np
import pytest

from pipeline.cli.app import main
from targets.bench.agent.job import InputSpec
from targets.bench.agent.session import Tensor
from targets.bench.case import BenchCase
from targets.bench.plan import Bench, BenchPlan
from targets.bench.result import read
from targets.bench.runner import local_runner
from targets.formats import FORMATS
from targets.runtimes import RUNTIMES, Runtime, distributions, runtime_for
from tests.brief import brief
from tests.toys import runtime as toy_runtime
from tests.toys.runtime.session import written

EVERY = pytest.mark.parametrize(
    "runtime", [*RUNTIMES.values(), toy_runtime.RUNTIME], ids=lambda runtime: runtime.name
)
SAMPLES = np.array([[1, -2, 3, 0.5], [0, 4, -5, 1e6], [7, 7, 7, 7]], np.float32)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    np.save(tmp_path / "samples.npy", SAMPLES)
    plan = BenchPlan(
        processes=2, min_queries=6, min_duration_s=0, max_duration_s=30, warmup_runs=2, warmup_s=0
    )
    return Bench(runner=local_runner(tmp_path), samples=tmp_path / "samples.npy", plan=plan)


@pytest.fixture
def case(runtime: Runtime, tmp_path: Path) -> BenchCase:
    """y = x + x."""
    try:
        importlib.import_module(runtime.module)
    except ImportError:
        pytest.skip(f"{runtime.distribution} is not installed")
    path = tmp_path / f"double.{runtime.formats[0]}"
    path.write_bytes(base64.b64decode(runtime.session.SELF_TEST_MODEL))
    return BenchCase(name=path.name, format=runtime.formats[0], path=path, runtime=runtime)


def sampled(case: BenchCase) -> BenchCase:
    spec: InputSpec = {"kind": "samples", "dtype": "float32", "shape": [1, 4], "adapter": None}
    return replace(case, inputs={"x": spec})


@EVERY
def test_what_a_runtime_declares_can_be_used(runtime: Runtime) -> None:
    assert runtime.name.isidentifier()
    assert set(runtime.formats) <= set(FORMATS)
    assert runtime.requirements[0].startswith(runtime.distribution)
    assert runtime.module.split(".")[0].isidentifier()
    command = runtime.command(python="p", agent="agent.pyz", job="job.json")
    assert command == ["p", "-I", "agent.pyz", "job.json"]  # -I: not the user's PYTHONPATH


@EVERY
def test_a_file_is_described(bench: Bench, case: BenchCase) -> None:
    seen = bench.once(case, "describe")
    x: Tensor = {"name": "x", "shape": [1, 4], "dtype": "float32", "quantization": None}
    assert seen["inputs"] == [x]
    assert seen["outputs"] == [{**x, "name": "y"}]
    assert seen["runtime"]["name"] == case.executed_by.name
    assert seen["runtime"]["version"]


@EVERY
def test_the_outputs_are_right_and_in_order(bench: Bench, case: BenchCase) -> None:
    outputs, record = bench.outputs(sampled(case))
    np.testing.assert_array_equal(outputs, 2 * SAMPLES)  # type: ignore[arg-type]
    assert (record["samples"], record["output_shape"]) == (3, [1, 4])


@EVERY
def test_latency_and_memory_are_measured(bench: Bench, case: BenchCase) -> None:
    blocks = bench.latency([sampled(case)], say=lambda text: None)
    assert len(blocks) == 2
    for block in blocks:
        assert len(block.samples_ns or ()) >= 3
        assert min(block.samples_ns or ()) > 0
    memory = bench.once(sampled(case), "memory")["memory"]
    assert memory["baseline_bytes"] <= memory["peak_bytes"]


@EVERY
def test_operators_are_timed_or_it_is_plain_that_they_are_not(
    bench: Bench, case: BenchCase
) -> None:
    seen = bench.once(sampled(case), "profile")
    if seen["source"] is None:
        assert seen["ops"] is None
    else:
        assert seen["source"] == case.executed_by.name
        assert [op["type"] for op in seen["ops"]] == ["Add"]


def test_the_first_runtime_of_a_format_is_its_default() -> None:
    assert {kind: runtime_for(kind).name for kind in FORMATS} == {
        "tflite": "ai_edge_litert",
        "onnx": "onnxruntime",
    }
    assert distributions() == ("ai-edge-litert", "onnxruntime")


def test_a_runtime_of_one_folder_is_measured_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own file format, labels and all: nothing but the folder knows of it."""
    brief(monkeypatch)
    model, data = tmp_path / "linear.onnx", tmp_path / "data.npz"
    model.write_bytes(written(np.eye(4, 3, dtype=np.float32)))
    np.savez(data, samples=SAMPLES, labels=np.array([2, 1, 0]))
    given = [model, "--runtime", "abacus", "--data", data, "--tier", "rapid", "--out", tmp_path]
    with RUNTIMES.added("abacus", toy_runtime.RUNTIME):
        done = click.testing.CliRunner().invoke(
            main, ["bench", *map(str, given)], standalone_mode=False
        )
    assert done.return_value == 0, done.output
    seen = read(tmp_path / "local.json")
    assert [row.runtime for row in seen.summary] == [f"abacus {np.__version__}"]
    assert seen.accuracy[0].top1 == 1.0
    assert seen.models[0].operators == {"MatMul": 1}
