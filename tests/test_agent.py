"""The agent measures any model, alone on a device, and says what is wrong with the others."""

import base64
import gc
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.agent.conditions import Usage, busy_ns, environment, used
from targets.bench.agent.inputs import Inputs, from_seed
from targets.bench.agent.job import AgentJob, InputSpec, Job, finish
from targets.bench.agent.latency import pool
from targets.bench.agent.measure import ready, run
from targets.bench.agent.memory import memory, peak_memory
from targets.bench.agent.session import Session, Settings, Tensor, import_runtime
from targets.bench.archive import packed
from targets.runtimes import RUNTIMES
from targets.runtimes.ai_edge_litert.session import distinct
from tests.models import onnx_file, tflite_file

TYPES = ["float32", "int8", "uint8", "int32", "int64", "bool"]
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


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


@pytest.mark.parametrize("runtime", ["ai_edge_litert", "onnxruntime"])
def test_a_fixed_batch_takes_as_many_samples_and_the_last_is_filled_up(
    device: Device, runtime: str
) -> None:
    model = device.model(
        runtime, "Neg" if runtime == "onnxruntime" else "NEG", ("x", "float32", [4, 3])
    )
    samples = np.arange(18, dtype=np.float32).reshape(6, 3)
    specs = {"x": {**sampled("float32", [4, 3]), "batch": 4}}
    seen = device.run("accuracy", runtime, model, inputs=specs, samples=device.saved(samples))
    assert (seen["samples"], seen["output_shape"]) == (6, [1, 3])
    np.testing.assert_array_equal(device.outputs(), -samples)
    seen = device.run("latency", runtime, model, inputs=specs, samples=device.saved(samples))
    assert set(seen["sample_index"]) <= {0, 4}


def test_an_output_that_is_not_of_a_batch_is_told(device: Device) -> None:
    model = device.model("onnxruntime", "Where", ("x", "float32", [4, 3]))
    specs = {"x": {**sampled("float32", [4, 3]), "batch": 4}}
    samples = device.saved(np.ones((4, 3), np.float32))
    error = device.fails("accuracy", "onnxruntime", model, inputs=specs, samples=samples)
    assert (error["phase"], error["message"]) == (
        "input", "an output [12, 2] is not divisible among 4 samples"
    )  # fmt: skip


SELFTEST = "from targets.bench.agent import selftest"


def selftest(*names: str, before: str = "") -> tuple[dict[str, Any], int]:
    start = (
        f"import os, runpy, sys; sys.argv = [{str(AGENT)!r}, '--selftest', *{list(names)}]; "
        f"sys.path.insert(0, sys.argv[0]); {before}\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", start], capture_output=True, text=True)
    return json.loads(done.stdout), done.returncode


def test_the_self_test_proves_every_runtime_that_is_here() -> None:
    seen, code = selftest()
    assert code == 0
    assert seen["schema"] == "agent-selftest/1"
    assert seen["pointer_bits"] in (32, 64)
    assert seen["numpy"] == np.__version__
    assert set(seen["runtimes"]) == set(RUNTIMES)
    for name in ("ai_edge_litert", "onnxruntime"):
        assert seen["runtimes"][name]["ok"], seen["runtimes"][name]["error"]
        assert seen["runtimes"][name]["version"]


def test_the_self_test_fails_where_one_that_was_named_does_not_work() -> None:
    seen, code = selftest("onnxruntime", "abacus")
    assert code == 1
    assert seen["runtimes"]["onnxruntime"]["ok"]
    assert "abacus" in seen["runtimes"]["abacus"]["error"]


def test_the_self_test_survives_a_runtime_that_takes_its_process_with_it() -> None:
    seen, code = selftest(
        "onnxruntime", before=f"{SELFTEST}; selftest.double = lambda *_: os.abort()"
    )
    assert code == 1
    assert seen["runtimes"]["onnxruntime"]["error"] == "ended by signal 6"


def test_the_self_test_fails_on_a_wrong_answer() -> None:
    right = base64.b64decode(RUNTIMES["onnxruntime"].session.SELF_TEST_MODEL)
    model = base64.b64encode(right.replace(b"Add", b"Sub")).decode()
    before = "from targets.runtimes.onnxruntime import session; session.SELF_TEST_MODEL = "
    seen, code = selftest("onnxruntime", before=f"{before}{model!r}")
    assert code == 1
    assert "doubled is not" in seen["runtimes"]["onnxruntime"]["error"]


@BOTH
def test_a_description_tells_types_and_open_dimensions(device: Device, runtime: str) -> None:
    model = device.model(
        runtime, "Cast", ("image", "uint8", [None, 4, None, 3]), ("k", "float32", [])
    )
    seen = device.run("describe", runtime, model)
    image, k = seen["inputs"]
    assert (image["name"], image["dtype"], image["shape"]) == ("image", "uint8", [None, 4, None, 3])
    assert (k["dtype"], k["shape"]) == ("float32", [])
    assert [one["dtype"] for one in seen["outputs"]] == ["float32", "float32"]
    assert seen["operators"] == (None if runtime == "onnxruntime" else {"CAST": 2})
    assert seen["runtime"]["delegate"] == ("none" if runtime == "onnxruntime" else None)


def test_a_description_tells_the_quantization(device: Device) -> None:
    model = device.model("ai_edge_litert", "Cast", ("x", "uint8", [2]), scale=0.5, zero_point=3)
    (x,) = device.run("describe", "ai_edge_litert", model)["inputs"]
    assert x["quantization"] == [0.5, 3]


def test_inputs_of_one_name_are_told_apart() -> None:
    tensors: list[Tensor] = [
        {"name": name, "shape": [], "dtype": "int8", "quantization": None}
        for name in ("x", "", "x", "")
    ]
    assert [one["name"] for one in distinct(tensors, "input")] == [
        "x", "input#1", "x#2", "input#3",
    ]  # fmt: skip


@BOTH
def test_every_type_can_be_given_and_each_output_asked_for(device: Device, runtime: str) -> None:
    types = TYPES + (["float16", "float64"] if runtime == "onnxruntime" else [])
    shapes: list[list[int]] = [[], [1, 3], [2, 1, 2]]
    inputs = [(name, name, shapes[i % 3]) for i, name in enumerate(types)]
    model = device.model(runtime, "Cast", *inputs)
    specs = {name: random_input(dtype, shape, 0, 100) for name, dtype, shape in inputs}
    for index, (name, _, shape) in enumerate(inputs):
        seen = device.run("accuracy", runtime, model, inputs=specs, output_index=index)
        given = from_seed(specs[name], f"7/{name}").astype(np.float32)
        assert (seen["samples"], seen["output_shape"]) == (1, shape)
        np.testing.assert_array_equal(device.outputs().ravel(), given.ravel())


@BOTH
def test_open_dimensions_take_the_shape_of_the_job(device: Device, runtime: str) -> None:
    model = device.model(runtime, "Cast", ("x", "int32", [None, 2, None]))
    for size in (1, 5, 0):
        specs = {"x": random_input("int32", [1, 2, size], -3, 3)}
        seen = device.run("accuracy", runtime, model, inputs=specs)
        assert seen["output_shape"] == [1, 2, size]
        assert device.outputs().shape == (1, 2, size)


@BOTH
def test_outputs_are_hashed_and_written_in_order(device: Device, runtime: str) -> None:
    model = device.model(runtime, "Cast", ("x", "uint8", [1, 4]))
    samples = np.arange(24, dtype=np.uint8).reshape(6, 4)
    specs = {"x": sampled("uint8", [1, 4])}
    seen, code, _ = device.process(
        "accuracy", runtime, model, inputs=specs, samples=device.saved(samples)
    )
    assert code == 0
    expected = samples.astype(np.float32)
    np.testing.assert_array_equal(device.outputs(), expected)
    assert seen["outputs_sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()
    assert (seen["samples"], seen["outputs"]) == (6, str(device.folder / "outputs.npy"))
    assert seen["total_ns"] > 0
    assert not list(device.folder.glob("*.part"))


@BOTH
def test_outputs_of_changing_shape_are_hashed_and_not_written(device: Device, runtime: str) -> None:
    """As of a detector that finds two boxes, none, and one."""
    model = device.model(runtime, "Where", ("x", "bool", [4]))
    found = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]], bool)
    specs = {"x": sampled("bool", [4])}
    seen = device.run("accuracy", runtime, model, inputs=specs, samples=device.saved(found))
    assert (seen["outputs"], seen["output_shape"], seen["samples"]) == (None, None, 3)
    assert (
        seen["outputs_sha256"]
        == hashlib.sha256(np.array([0, 3, 1], np.int64).tobytes()).hexdigest()
    )
    assert not list(device.folder.glob("outputs*"))


def test_what_a_network_keeps_in_variables_is_forgotten(device: Device) -> None:
    """No call of TFLite resets resource variables: without care these would be 1, 3, 6."""
    path = device.folder / "model"
    path.write_bytes(tflite_file("accumulate", [("x", "float32", [1])]))
    samples = device.saved(np.array([[1], [2], [3]], np.float32))
    specs = {"x": sampled("float32", [1])}
    seen = device.run("accuracy", "ai_edge_litert", str(path), inputs=specs, samples=samples)
    assert device.outputs().ravel().tolist() == [1, 2, 3]
    assert seen["samples"] == 3


@BOTH
def test_a_block_tells_all_that_it_is_judged_by(device: Device, runtime: str) -> None:
    specs = {"x": sampled("float32", [1, 4])}
    samples = device.saved(np.ones((20, 4), np.float32))
    seen, code, _ = device.process(
        "latency", runtime, device.tiny(runtime), inputs=specs, samples=samples,
        min_queries=50, min_duration_ns=300_000_000,
    )  # fmt: skip
    assert code == 0
    assert set(seen) == {
        "schema", "pid", "python", "numpy", "cpu_features", "runtime", "phases",
        "tensorflow_imported", "warmup_ns", "samples_ns", "invoke_only_ns", "sample_index",
        "stop_reason", "wall_ns", "cpu_ns", "ctx_switches", "others_cpu", "env_before", "env_after",
    }  # fmt: skip
    assert seen["schema"] == "agent/2"
    assert seen["stop_reason"] == "min_met"
    assert len(seen["samples_ns"]) == len(seen["sample_index"]) >= 50
    assert set(seen["sample_index"]) == set(range(20))
    assert sum(seen["samples_ns"]) <= seen["wall_ns"]
    assert seen["wall_ns"] >= 300_000_000
    assert 0 < seen["cpu_ns"] <= 1.5 * seen["wall_ns"]  # the kernel counts in ticks
    assert 0 <= seen["others_cpu"] <= 2 * (os.cpu_count() or 1)
    assert set(seen["phases"]) == {"import_ns", "load_ns", "first_inference_ns"}
    assert all(phase > 0 for phase in seen["phases"].values())
    assert RUNTIMES[runtime].env.items() <= seen["runtime"]["env"].items()
    for place in ("env_before", "env_after"):
        assert set(seen[place]) == {
            "loadavg1", "runnable", "temp_c", "freq_hz", "governor", "throttled_raw",
            "sentinel_ns",
        }  # fmt: skip
        assert 0 < seen[place]["sentinel_ns"] < 1e9
    if runtime == "onnxruntime":
        assert seen["invoke_only_ns"] is None
    else:
        assert all(a <= b for a, b in zip(seen["invoke_only_ns"], seen["samples_ns"], strict=True))


def test_without_samples_one_fixed_set_is_queried(device: Device) -> None:
    specs = {"x": random_input("float32", [1, 4])}
    seen = device.run("latency", "onnxruntime", device.tiny("onnxruntime"), inputs=specs)
    assert seen["sample_index"] == []
    assert len(seen["samples_ns"]) == 5
    assert gc.isenabled()


def test_the_longest_time_ends_a_warm_up_too(device: Device) -> None:
    specs = {"x": random_input("float32", [1, 4])}
    limits = {"warmup_runs": 10**9, "min_queries": 10**9, "max_duration_ns": 30_000_000}
    seen = device.run(
        "latency", "ai_edge_litert", device.tiny("ai_edge_litert"), inputs=specs, **limits
    )
    assert seen["stop_reason"] == "max_duration"
    assert 0 < sum(seen["warmup_ns"]) < 60_000_000


@pytest.mark.parametrize(("most_bytes", "held"), [(1, 1), (3 * 16, 3), (10**6, 50)])
def test_no_more_samples_are_held_than_memory_allows(
    device: Device, most_bytes: int, held: int
) -> None:
    samples = device.saved(np.zeros((50, 4), np.float32))
    specs = {"x": sampled("float32", [1, 4])}
    _, model, inputs = device.opened(inputs=specs, samples=samples)
    places, feeds = pool(random.Random(0), model, inputs, most_bytes=most_bytes)
    assert len(set(places)) == len(feeds) == held


def test_random_inputs_depend_on_the_run_and_the_name_and_not_on_the_process(
    device: Device,
) -> None:
    model = device.model("onnxruntime", "Cast", ("a", "float32", [9]), ("b", "float32", [9]))
    specs = {name: random_input("float32", [9], -1, 1) for name in "ab"}

    def digest(seed: str, index: int) -> str:
        job = {"inputs": specs, "seed": seed, "output_index": index}
        return str(device.run("accuracy", "onnxruntime", model, **job)["outputs_sha256"])

    assert digest("7:0", 0) == digest("7:5", 0)
    assert len({digest("7:0", 0), digest("7:0", 1), digest("8:0", 0)}) == 3


@pytest.mark.parametrize("dtype", [*TYPES, "float16"])
def test_random_values_stay_within_their_limits(dtype: str) -> None:
    low, high = (0.99, 1.0) if dtype.startswith("float") else (1, 3)
    seen = from_seed(random_input(dtype, [5000], low, high), "seed")
    assert seen.dtype.name == dtype
    if dtype == "bool":
        assert set(seen.tolist()) == {True, False}
    elif dtype.startswith("float"):
        assert low <= seen.min() < seen.max() < high
    else:
        assert set(seen.tolist()) == {1, 2, 3}  # both ends
    assert from_seed(random_input("int64", [], -(2**63), 2**63 - 1), "seed").shape == ()


def test_a_file_is_given_whatever_its_byte_order_and_layout(device: Device) -> None:
    values = np.arange(6).reshape(2, 3)
    model = device.model("ai_edge_litert", "Cast", ("x", "int32", [1, 2, 3]))
    path = device.saved(np.asfortranarray(values).astype(">i4"))
    spec = {"kind": "file", "path": path, "dtype": "int32", "shape": [1, 2, 3]}
    device.run("accuracy", "ai_edge_litert", model, inputs={"x": spec})
    np.testing.assert_array_equal(device.outputs(), values[None])


def test_a_sample_goes_through_the_adapter(device: Device) -> None:
    adapter = {
        "scale": 0.5, "offset": -1.0, "channels_first": True, "shape": [3, 1, 2],
        "input_quantization": None,
    }  # fmt: skip
    raw = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    model = device.model("onnxruntime", "Cast", ("x", "float32", [None, 3, 1, 2]))
    specs = {"x": sampled("float32", [1, 3, 1, 2], adapter)}
    device.run("accuracy", "onnxruntime", model, inputs=specs, samples=device.saved(raw))
    np.testing.assert_array_equal(device.outputs(), np.moveaxis(raw * 0.5 - 1, -1, 1))


WRONG = {
    "nothing": (None, r"nothing is given for it"),
    "type": (random_input("int32", [1, 2]), r"given int32"),
    "negative": (random_input("float32", [1, -2]), r"given \[1, -2\], which is no shape"),
    "no size": (random_input("float32", ["n", 2]), r"no shape"),  # type: ignore[list-item]
    "range": (random_input("float32", [1, 2], 2, 1), r"cannot hold random values from 2 to 1"),
    "no limits": ({**random_input("float32", [1, 2]), "low": None}, r"input 'x'"),
    "kind": ({"kind": "guess", "dtype": "float32", "shape": [1, 2]}, r"no kind 'guess'"),
    "no samples": (sampled("float32", [1, 2]), r"there are none"),
    "no file": (
        {"kind": "file", "path": "no.npy", "dtype": "float32", "shape": [1, 2]}, r"no\.npy"
    ),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("what", WRONG)
def test_an_input_that_cannot_be_given_is_named(device: Device, runtime: str, what: str) -> None:
    spec, why = WRONG[what]
    model = device.model(runtime, "Cast", ("x", "float32", [None, 2]))
    error = device.fails("latency", runtime, model, inputs={} if spec is None else {"x": spec})
    assert error["phase"] == "input"
    assert error["message"].startswith("input 'x' of float32 [?, 2]: ")
    assert re.search(why, error["message"])


def test_arrays_that_do_not_fit_are_told_with_their_type_and_shape(device: Device) -> None:
    model = device.model("onnxruntime", "Cast", ("x", "uint8", [1, 2]))
    tries = {
        "file": [(np.zeros((1, 3), np.uint8), r"needs \[1, 2\], given uint8 \[1, 3\]"),
                 (np.zeros((1, 2), np.int8), r"holds int8 \[1, 2\]")],
        "samples": [(np.zeros((4, 3), np.uint8), r"needs \[1, 2\], given uint8 \[1, 3\]"),
                    (np.full((4, 2), 0.5), r"samples of float64 do not keep their values"),
                    (np.full((4, 2), 256), r"samples of int64 do not keep their values"),
                    (np.zeros((0, 2), np.uint8), r"holds no samples")],
    }  # fmt: skip
    for kind, arrays in tries.items():
        for array, why in arrays:
            path = device.saved(array)
            spec = {**sampled("uint8", [1, 2]), "kind": kind, "path": path}
            error = device.fails("latency", "onnxruntime", model, inputs={"x": spec}, samples=path)
            assert error["phase"] == "input"
            assert error["message"].startswith("input 'x' of uint8 [1, 2]: ")
            assert re.search(why, error["message"]), error["message"]


def test_a_shape_that_the_file_rules_out_is_an_input_error(device: Device) -> None:
    model = device.model("onnxruntime", "Cast", ("x", "float32", [None, 2]))
    for shape in ([1, 3], [1, 2, 1], [2]):
        error = device.fails(
            "latency", "onnxruntime", model, inputs={"x": random_input("float32", shape)}
        )
        assert (error["phase"], error["message"]) == (
            "input", f"input 'x' of float32 [?, 2]: given shape {shape}",
        )  # fmt: skip


@BOTH
def test_text_cannot_be_given_and_its_input_is_named(device: Device, runtime: str) -> None:
    model = device.model(runtime, "Identity", ("words", "string", [1]))
    (described,) = device.run("describe", runtime, model)["inputs"]
    specs = {"words": random_input(described["dtype"], [1])}
    error = device.fails("latency", runtime, model, inputs=specs)
    assert error["phase"] == "input"
    assert "'words'" in error["message"]


def test_an_input_that_the_model_does_not_have_is_told(device: Device) -> None:
    tiny = device.tiny("onnxruntime")
    error = device.fails("latency", "onnxruntime", tiny, inputs={"y": random_input("float32", [1])})
    assert error["phase"] == "input"
    assert error["message"] == "the model has no input 'y'; it has ['x']"


@BOTH
def test_an_operator_that_is_not_there_is_named_in_full(device: Device, runtime: str) -> None:
    model = device.model(runtime, "Mystery", ("x", "float32", [1, 2]))
    specs = {"x": random_input("float32", [1, 2])}
    error, code, stderr = device.process("latency", runtime, model, inputs=specs)
    assert code == 1
    assert error["error"]["phase"] == "load"
    assert "Mystery" in error["error"]["message"]
    assert "Traceback" in stderr


def test_custom_operators_are_listed_by_a_description_all_the_same(device: Device) -> None:
    model = device.model("ai_edge_litert", "Mystery", ("x", "float32", [1, 2]))
    assert device.run("describe", "ai_edge_litert", model)["operators"] == {"Mystery": 1}


@BOTH
@pytest.mark.parametrize("cut", [0, 20, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_an_error_of_loading(
    device: Device, runtime: str, cut: float
) -> None:
    path = Path(device.model(runtime, "Cast", ("x", "float32", [1, 2])))
    content = path.read_bytes()
    path.write_bytes(content[: int(cut if cut >= 1 else cut * len(content))])
    result, code, _ = device.process("describe", runtime, str(path))
    assert code == 1
    assert result["error"]["phase"] == "load"
    assert result["error"]["message"]


def test_a_python_without_the_runtime_is_an_error_of_importing(device: Device) -> None:
    """-S: no numpy either, which is told in the same way."""
    result, code, stderr = device.process(
        "describe", "onnxruntime", device.tiny("onnxruntime"), flags=("-I", "-S")
    )
    assert code == 1
    assert result["error"]["phase"] == "import"
    assert result["error"]["type"] == "ModuleNotFoundError"
    assert "ModuleNotFoundError" in stderr.strip().splitlines()[-1]


def test_a_wrong_job_says_what_is_wrong_with_it(device: Device) -> None:
    tiny = device.tiny("onnxruntime")
    specs = {"x": random_input("float32", [1, 4])}
    wrong: dict[str, dict[str, Any]] = {
        "no mode 'dance'": {"mode": "dance"},
        "no runtime 'abacus'": {"runtime": "abacus"},
        "there is no output 1: the model has 1": {"output_index": 1},
    }
    for why, change in wrong.items():
        job = {"mode": "latency", "runtime": "onnxruntime", "model": tiny, "inputs": specs}
        seen = {**job, **change}
        error = device.fails(seen.pop("mode"), seen.pop("runtime"), seen.pop("model"), **seen)
        assert error["phase"] == "job"
        assert why in error["message"]
    with pytest.raises(ValueError, match="no key 'min_queries'"):
        Job()["min_queries"]


def test_the_cause_of_an_error_is_told_with_it(device: Device) -> None:
    def broken() -> dict[str, object]:
        raise SystemError("returned an error") from ImportError("numpy 1 is needed")

    assert finish(broken, str(device.folder / "out.json")) == 1
    error = json.loads((device.folder / "out.json").read_text())["error"]
    assert error["message"] == "returned an error (ImportError: numpy 1 is needed)"


def test_memory_is_that_of_the_process_itself_and_holds_the_weights(device: Device) -> None:
    """The process that starts it is fat, which ru_maxrss would inherit."""
    fat = np.ones(64 << 20, np.uint8)
    weights = 16 << 20
    model = device.model("onnxruntime", "Weights", ("x", "float32", [1, 64]), size=weights)
    specs = {"x": random_input("float32", [1, 64])}
    result, code, _ = device.process("memory", "onnxruntime", model, inputs=specs)
    assert code == 0
    seen = result["memory"]
    assert seen["method"] == "VmHWM"
    assert seen["baseline_bytes"] < seen["after_load_bytes"] <= seen["peak_bytes"]
    assert weights <= seen["peak_bytes"] - seen["baseline_bytes"] < 5 * weights
    assert seen["baseline_bytes"] < (peak_memory() or {})["VmHWM"]
    assert seen["rss_anon_bytes"] > 0
    assert seen["rss_file_bytes"] > 0
    assert fat.size


def test_memory_is_unknown_without_proc(device: Device) -> None:
    floor = peak_memory(reset=True, proc=str(device.folder))
    assert floor is None
    job, model, inputs = device.opened(inputs={"x": random_input("float32", [1, 4])})
    assert memory(job, model, inputs, floor) == {"memory": None}


def test_a_profile_counts_the_operators_of_one_query(device: Device) -> None:
    model = device.model("onnxruntime", "Branch", ("x", "float32", [1, 64]))
    specs = {"x": random_input("float32", [1, 64])}
    seen = device.run("profile", "onnxruntime", model, inputs=specs)
    assert seen["source"] == "onnxruntime"
    assert {op["type"]: op["count"] for op in seen["ops"]} == {
        "ReduceSum": 1,
        "Greater": 1,
        "Sin": 2,
    }
    assert sum(op["share"] for op in seen["ops"]) == pytest.approx(1)
    assert not list(Path.cwd().glob("*profile*.json"))
    tiny = device.tiny("ai_edge_litert")
    specs = {"x": random_input("float32", [1, 4])}
    other = device.run("profile", "ai_edge_litert", tiny, inputs=specs)
    assert (other["source"], other["ops"]) == (None, None)


def test_affinity_is_applied_and_read_back(device: Device) -> None:
    one = [min(os.sched_getaffinity(0))]
    seen, _, _ = device.process("describe", "onnxruntime", device.tiny("onnxruntime"), affinity=one)
    assert seen["runtime"]["affinity_requested"] == seen["runtime"]["affinity_effective"] == one
    error, code, _ = device.process(
        "describe", "onnxruntime", device.tiny("onnxruntime"), affinity=[4000]
    )
    assert code == 1
    assert "cannot be kept on the CPUs [4000]" in error["error"]["message"]


def test_the_state_of_a_raspberry_pi_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "proc/loadavg": "0.52 0.58 0.59 3/602 12345",
        "sys/class/thermal/thermal_zone0/temp": "48312",
        "sys/class/thermal/thermal_zone1/temp": "51000",
    }
    for core, khz in ((0, 600000), (2, 1500000), (10, 1800000)):
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        files[f"{folder}/scaling_cur_freq"] = str(khz)
        files[f"{folder}/scaling_governor"] = "ondemand"
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo "throttled=0x50000"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    seen = environment(proc=str(tmp_path / "proc"), sysfs=str(tmp_path / "sys"))
    assert (seen["loadavg1"], seen["runnable"], seen["temp_c"]) == (0.52, 3, 51.0)
    assert seen["freq_hz"] == [600_000_000, 1_500_000_000, 1_800_000_000]
    assert seen["governor"] == ["ondemand"] * 3
    assert seen["throttled_raw"] == "0x50000"


def test_what_a_device_does_not_tell_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = environment(proc=str(tmp_path), sysfs=str(tmp_path))
    assert seen.pop("sentinel_ns")
    assert set(seen.values()) == {None}
    assert busy_ns(proc=str(tmp_path)) is None


def test_the_cores_that_others_took_are_what_is_left_of_the_busy_time() -> None:
    second = 10**9
    before = Usage(0, 0, 10, 20, 5 * second)
    seen = used(before, Usage(2 * second, second, 11, 25, 9 * second))
    assert seen["others_cpu"] == pytest.approx(1.5)  # 4 s busy, 1 s of them ours, in 2 s
    assert seen["ctx_switches"] == {"voluntary": 1, "involuntary": 5}
    assert used(before, Usage(second // 10, 0, 10, 20, 6 * second))["others_cpu"] is None
    unknown = before._replace(busy_ns=None)
    assert used(unknown, Usage(2 * second, 0, 10, 20, None))["others_cpu"] is None
