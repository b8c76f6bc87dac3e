"""The agent measures any model, alone on a device."""

import gc
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from targets.bench.agent.memory import memory, peak_memory
from targets.runtimes import RUNTIMES
from tests.agents import BOTH, Device, random_input, sampled
from tests.models import tflite_file


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


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
