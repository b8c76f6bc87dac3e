"""The rewrites of an ONNX graph change no result."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from targets.formats.onnx import inspect as inspect_onnx
from targets.formats.onnx.canonical import canonical
from targets.formats.onnx.integers import pad_integers
from targets.formats.onnx.rewrite import int8_to_uint8, subtract_by_adding


def quantized_graph(op: str, *operands: str, **attributes: Any) -> Any:
    """x -> Q -> DQ -> op (with a quantized constant) -> Q -> DQ."""
    constants = {
        "scale": np.float32(0.05),
        "zero": np.int8(-3),
        "c": np.int8(-7),
        "c_zero": np.int8(0),
        "c_scale": np.float32(0.02),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }
    steps = [
        ("QuantizeLinear", ["x", "scale", "zero"], "q", {}),
        ("DequantizeLinear", ["q", "scale", "zero"], "d", {}),
        ("DequantizeLinear", ["c", "c_scale", "c_zero"], "k", {}),
        (op, ["d", *operands], "o", attributes),
        ("QuantizeLinear", ["o", "scale", "zero"], "qo", {}),
        ("DequantizeLinear", ["qo", "scale", "zero"], "y", {}),
    ]
    shapes = {"x": [1, 2, 4, 4], "y": [1, 2, None, None]}
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    graph = helper.make_graph(
        [helper.make_node(o, i, [out], **a) for o, i, out, a in steps],
        "x",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


@pytest.mark.parametrize(
    ("op", "operand"), [("Sub", "k"), ("Add", "k"), ("Mul", "k"), ("Pad", "pads")]
)
def test_the_rewrites_change_no_result_and_leave_nothing_in_float(
    tmp_path: Path, op: str, operand: str
) -> None:
    import onnxruntime

    x = np.random.default_rng(0).uniform(-3, 3, (1, 2, 4, 4)).astype(np.float32)
    model = quantized_graph(op, operand)
    before = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    for rewrite in (subtract_by_adding, int8_to_uint8, pad_integers):
        rewrite(model)
    onnx.save(canonical(model), tmp_path / "x.onnx")
    after = onnxruntime.InferenceSession(tmp_path / "x.onnx").run(None, {"image": x})[0]
    np.testing.assert_array_equal(before, after)
    assert inspect_onnx.inspect(tmp_path / "x.onnx").float_op_names == ()
