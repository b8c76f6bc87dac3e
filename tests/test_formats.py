"""An export is what was asked for, or it fails."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

from targets.errors import ProofError
from targets.formats.input_spec import InputSpec, image_input
from targets.formats.onnx import inspect as inspect_onnx
from targets.formats.onnx import qdq
from targets.formats.onnx.canonical import canonical
from targets.formats.onnx.rewrite import int8_to_uint8
from targets.formats.tflite import export
from targets.formats.tflite import inspect as inspect_tflite
from targets.formats.tflite.proofs import require_int8
from tests.conftest import Lane

SPEC = image_input(12, 12, 1)


def models(finished: Lane) -> Path:
    return finished.out / "tiny" / "models"


def mean_of_pixels(image: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(image, axis=[1, 2])


def test_the_input_is_exactly_int8_with_scale_1_128() -> None:
    assert SPEC.real_range == (-1.0, 127 / 128)
    assert (SPEC.scale, SPEC.zero_point) == (1 / 128, 128)


def test_an_int8_tflite_takes_raw_pixels_and_holds_no_float_operator(finished: Lane) -> None:
    actual = inspect_tflite.inspect(models(finished) / "student.int8.tflite")
    assert (actual.float_ops, actual.input_dtype, actual.output_dtype) == (0, "UINT8", "FLOAT32")
    assert actual.int8_ops == 13  # 11 convolutions, the average and the dense layer
    assert actual.input_scale == (1 / 128, 128)


def test_a_float_tflite_has_no_int8_operator(finished: Lane) -> None:
    actual = inspect_tflite.inspect(models(finished) / "student.float32.tflite")
    assert (actual.int8_ops, actual.input_dtype) == (0, "FLOAT32")
    assert actual.float_ops >= 13


def test_an_int8_request_that_stays_float_fails(finished: Lane) -> None:
    with pytest.raises(ProofError, match=r"int8 was asked for, but .* operators are not: SUB"):
        require_int8(models(finished) / "student.float32.tflite", SPEC)
    with pytest.raises(ProofError, match=r"in float.*0 of 11 convolutions are int8"):
        inspect_onnx.require_int8(models(finished) / "student.float32.onnx")


def test_one_float_operator_is_enough_to_fail(finished: Lane, tmp_path: Path) -> None:
    model = onnx.load(models(finished) / "student.int8.onnx")
    model.graph.node[-1].output[0] = "almost"
    model.graph.node.append(helper.make_node("Tanh", ["almost"], ["logits"]))
    onnx.save(model, tmp_path / "mixed.onnx")
    with pytest.raises(ProofError, match=r"Tanh \(logits\)"):
        inspect_onnx.require_int8(tmp_path / "mixed.onnx")


def test_a_softmax_is_part_of_the_edge_only_where_it_is_the_last_operator(
    finished: Lane, tmp_path: Path
) -> None:
    model = onnx.load(models(finished) / "student.int8.onnx")
    model.graph.node[-1].output[0] = "almost"
    model.graph.node.append(helper.make_node("Softmax", ["almost"], ["logits"]))
    onnx.save(model, tmp_path / "ends.onnx")
    assert inspect_onnx.require_int8(tmp_path / "ends.onnx").float_ops == 0
    model.graph.node[-1].output[0] = "nearly"
    model.graph.node.append(helper.make_node("Softmax", ["nearly"], ["logits"]))
    onnx.save(model, tmp_path / "twice.onnx")
    with pytest.raises(ProofError, match=r"Softmax \(logits\), Softmax \(nearly\)"):
        inspect_onnx.require_int8(tmp_path / "twice.onnx")


@pytest.mark.parametrize(
    "spec",
    [
        InputSpec(shape=(12, 12, 1), scale=1 / 127, zero_point=128),
        InputSpec(shape=(12, 12, 1), scale=1 / 128, zero_point=127),
        InputSpec(shape=(12, 12, 3), scale=1 / 128, zero_point=128),
    ],
)
def test_an_input_that_is_not_what_was_assigned_fails(finished: Lane, spec: InputSpec) -> None:
    path = models(finished) / "student.int8.tflite"
    require_int8(path, SPEC)
    with pytest.raises(ProofError, match="input type, shape"):
        require_int8(path, spec)


def test_an_unquantized_model_cannot_be_exported_as_int8(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="int8 was asked for"):
        export.export_int8(mean_of_pixels, SPEC, tmp_path / "x.tflite")


def test_every_convolution_of_the_int8_onnx_runs_as_int8(finished: Lane) -> None:
    actual = inspect_onnx.inspect(models(finished) / "student.int8.onnx")
    assert actual.convolutions == actual.int8_convolutions == 11
    assert actual.float_ops == 0


def test_the_int8_onnx_has_the_scales_of_the_tflite(finished: Lane) -> None:
    """Read by LiteRT itself, and without the scale table."""
    in_tflite = Interpreter(str(models(finished) / "student.int8.tflite")).get_tensor_details()
    activations = {
        (np.float32(scale), zero + 128)
        for name, (scale, zero) in ((t["name"], t["quantization"]) for t in in_tflite)
        if scale and ("relu6" in name or "Mean" in name)
    }
    graph = onnx.load(models(finished) / "student.int8.onnx").graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    in_onnx = {
        (constants[n.input[1]].item(), int(constants[n.input[2]]))
        for n in graph.node
        if n.op_type == "QuantizeLinear" and constants[n.input[2]].dtype == np.uint8
    }
    assert activations
    assert {(float(s), z) for s, z in activations} <= in_onnx


@pytest.mark.parametrize("name", ["teacher.float32", "student.float32", "student.int8"])
def test_onnx_files_have_plain_ends_and_pass_the_checker(finished: Lane, name: str) -> None:
    model = onnx.load(models(finished) / f"{name}.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["image"]
    assert [o.name for o in model.graph.output] == ["logits"]
    assert model.opset_import[0].version == 13


def small_graph(*, prefix: str, shuffled: bool) -> Any:
    """relu(image * 2) + 2, under names and in an order of one's choice, with an unused node."""
    p = prefix
    two = [numpy_helper.from_array(np.array([2.0], np.float32), f"{p}{i}") for i in "ab"]
    nodes = [
        helper.make_node("Mul", [f"{p}in", f"{p}a"], [f"{p}m"]),
        helper.make_node("Relu", [f"{p}m"], [f"{p}r"]),
        helper.make_node("Add", [f"{p}r", f"{p}b"], [f"{p}out"]),
        helper.make_node("Neg", [f"{p}m"], [f"{p}unused"]),
    ]
    ends = [helper.make_tensor_value_info(f"{p}{e}", TensorProto.FLOAT, [1]) for e in ("in", "out")]
    order = reversed(nodes) if shuffled else nodes
    constants = two[::-1] if shuffled else two
    graph = helper.make_graph(list(order), p, ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def test_equal_graphs_become_equal_bytes_whatever_their_names_and_order() -> None:
    first = canonical(small_graph(prefix="x__17:", shuffled=False))
    second = canonical(small_graph(prefix="y__4711:", shuffled=True))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )
    assert [node.op_type for node in first.graph.node] == ["Mul", "Relu", "Add"]
    assert len(first.graph.initializer) == 1


def test_moving_activations_to_uint8_changes_no_result() -> None:
    """Two consumers of one pair: what ONNX Runtime's own pass leaves in float."""
    import onnxruntime

    random = np.random.default_rng(0)
    x = random.uniform(-3, 3, (1, 4, 5, 5)).astype(np.float32)
    model = residual_graph(random)
    # Node by node: fused, the int8 weights of this graph saturate on x86 without VNNI.
    as_written = onnxruntime.SessionOptions()
    as_written.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), as_written)
    before = session.run(None, {"x": x})[0]
    int8_to_uint8(model)
    kinds = {numpy_helper.to_array(i).dtype for i in model.graph.initializer if "zero" in i.name}
    assert np.dtype(np.uint8) in kinds
    after = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_array_equal(before, after)


def residual_graph(random: np.random.Generator) -> Any:
    weights = random.integers(-127, 128, (4, 4, 1, 1)).astype(np.int8)
    constants = {
        "scale": np.float32(0.05),
        "zero": np.int8(-3),
        "weights": weights,
        "weight_scale": np.float32(0.01),
        "weight_zero": np.int8(0),
    }
    steps = [
        ("QuantizeLinear", ["x", "scale", "zero"], "q"),
        ("DequantizeLinear", ["q", "scale", "zero"], "d"),
        ("DequantizeLinear", ["weights", "weight_scale", "weight_zero"], "w"),
        ("Conv", ["d", "w"], "c"),
        ("Add", ["c", "d"], "s"),
        ("QuantizeLinear", ["s", "scale", "zero"], "qs"),
        ("DequantizeLinear", ["qs", "scale", "zero"], "y"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4, 5, 5]) for n in "xy"]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output]) for op, inputs, output in steps],
        "residual",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def test_float_exports_do_the_normalisation_themselves(tmp_path: Path) -> None:
    from targets.bench.plan import logits_of

    spec = InputSpec(shape=(2, 2, 1), scale=0.5, zero_point=10)
    images = np.array([[[[10], [12]], [[14], [16]]]], np.uint8)
    export.export_float(mean_of_pixels, spec, tmp_path / "x.tflite")
    qdq.export_float(mean_of_pixels, spec, tmp_path / "x.onnx")
    for kind in ("tflite", "onnx"):
        actual = logits_of(tmp_path / f"x.{kind}", kind, images, tmp_path)
        assert actual.tolist() == [[1.5]]  # mean of 0, 1, 2, 3
