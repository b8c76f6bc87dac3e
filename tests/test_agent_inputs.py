"""What the agent gives to a model as input, and what it refuses."""

import random
import re
from pathlib import Path

import numpy as np
import pytest

from targets.bench.agent.inputs import from_seed
from targets.bench.agent.latency import pool
from targets.bench.agent.session import Tensor
from targets.runtimes.ai_edge_litert.session import distinct
from tests.agents import BOTH, Device, random_input, sampled


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


TYPES = ["float32", "int8", "uint8", "int32", "int64", "bool"]


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
