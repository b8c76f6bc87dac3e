"""Products of 8-bit numbers in an ONNX file that are not exact on every x86 processor.

Without VNNI, ONNX Runtime multiplies activations with int8 weights by `vpmaddubsw`: two products of
uint8 with int8 are added in 16 bits, and saturate. Weights as uint8 take other kernels, which are
exact, and so does the kernel of depthwise convolutions. Source: onnxruntime's documentation of
quantization ("S8S8 and U8S8 ... saturation issue") and MLAS.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError
from targets.untyped import OnnxGraph, OnnxNode

LARGEST_SUM = 32767 // 255
"""Two weights of one sign that add up to more can saturate with activations of 255."""
WEIGHTS_AT = {
    "Conv": 1, "ConvTranspose": 1, "MatMul": 1, "Gemm": 1,
    "ConvInteger": 1, "MatMulInteger": 1, "DynamicQuantizeMatMul": 1, "MatMulIntegerToFloat": 1,
    "QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3,
}  # fmt: skip
"""Operator -> which of its inputs are the weights."""
CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")


def saturating_products(path: Path) -> tuple[str, ...]:
    """The operators that can saturate, as `type (name)`; none where every sum stays in 16 bits.

    Weights that are small enough (`reduce_range` keeps them in 7 bits) cannot. Whether those that
    can do saturate depends on the data.
    """
    import onnx

    graph = onnx.load(path, load_external_data=True).graph
    return tuple(_saturating(graph))


def require_exact_products(path: Path) -> None:
    """Raise `ProofError` for a file that can saturate."""
    found = saturating_products(path)
    if found:
        raise ProofError(
            f"{path.name}: {len(found)} operators multiply with int8 weights, which saturates on "
            f"x86 processors without VNNI: {', '.join(found[:4])}."
        )


def _saturating(graph: OnnxGraph) -> Iterator[str]:
    from onnx import numpy_helper

    tensors = {one.name: one for one in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        name = _weights(node, made_by)
        if name is None or name not in tensors:
            continue
        values = numpy_helper.to_array(tensors[name])
        if values.dtype != np.int8 or _depthwise(node, values):
            continue
        if _can_saturate(_by_output(node, values)):
            yield f"{node.op_type} ({node.name or node.output[0]})"


def _weights(node: OnnxNode, made_by: dict[str, OnnxNode]) -> str | None:
    """The tensor of 8-bit weights that a node multiplies with: its own input, or the input of a
    DequantizeLinear before it where its activation is dequantized too (the runtime fuses them)."""
    slot = WEIGHTS_AT.get(node.op_type)
    if slot is None or len(node.input) <= slot:
        return None
    name: str = node.input[slot]
    if node.op_type not in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
        return name
    both = [made_by.get(node.input[0]), made_by.get(name)]
    if any(one is None or one.op_type != "DequantizeLinear" for one in both):
        return None
    source: str = made_by[name].input[0]
    return source


def _depthwise(node: OnnxNode, values: npt.NDArray[np.int8]) -> bool:
    group = next((a.i for a in node.attribute if a.name == "group"), 1)
    return node.op_type in CONVOLUTIONS and values.shape[1] == 1 and group == values.shape[0]


def _by_output(node: OnnxNode, values: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """[outputs, summed]: one row holds the weights of one sum."""
    if node.op_type in CONVOLUTIONS:
        return values.reshape(len(values), -1)
    if any(a.name == "transB" and a.i for a in node.attribute):
        return values
    axis = 1 if node.op_type == "ConvTranspose" else -1
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _can_saturate(rows: npt.NDArray[np.int8]) -> bool:
    ordered = np.sort(rows.astype(np.int32), axis=1)
    if ordered.shape[1] < 2:
        return False
    low, high = ordered[:, :2].sum(axis=1), ordered[:, -2:].sum(axis=1)
    return bool(np.any(high > LARGEST_SUM) or np.any(-low > LARGEST_SUM))
