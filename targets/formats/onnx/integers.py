"""Rewrites that let an operator of a quantized ONNX graph calculate on the integers themselves.

They apply to operators between a DequantizeLinear and a QuantizeLinear that ONNX Runtime does not
fuse and would run in float. Each changes the uint8 graph of `rewrite.int8_to_uint8` in place.
"""

from collections.abc import Callable, Container, Iterator

import numpy as np
import numpy.typing as npt

from targets.formats.onnx.rewrite import (
    Constants,
    constants_of,
    readers_of,
    rename_inputs,
    same_pair,
)
from targets.untyped import OnnxGraph, OnnxModel, OnnxNode

Table = Callable[[str], npt.NDArray[np.uint8] | None]
"""Output of a QuantizeLinear -> TFLite's results there for all 256 inputs, if there is a table."""


def pad_integers(model: OnnxModel) -> None:
    """Padding with zero between a DequantizeLinear and a QuantizeLinear of the same scale and zero
    point becomes padding of the integers with the zero point, the integer of zero."""
    constants = constants_of(model.graph)
    renamed: dict[str, str] = {}
    for before, pad, after in _between(model.graph, {"Pad"}, constants):
        if _zero(pad, constants) and same_pair(before, after, constants):
            renamed[after.output[0]] = pad.output[0]
            pad.input[0] = before.input[0]
            del pad.input[2:]
            pad.input.append(before.input[2])
    rename_inputs(model.graph, renamed)


def _between(
    graph: OnnxGraph, kinds: Container[str], constants: Constants
) -> Iterator[tuple[OnnxNode, OnnxNode, OnnxNode]]:
    """(DequantizeLinear of an activation, node of these kinds, its one reader QuantizeLinear)."""
    made_by = {output: node for node in graph.node for output in node.output}
    readers = readers_of(graph)
    for node in list(graph.node):
        before, after = made_by.get(node.input[0]), _only(readers, node, "QuantizeLinear")
        if node.op_type not in kinds or before is None or after is None:
            continue
        if before.op_type == "DequantizeLinear" and before.input[0] not in constants:
            yield before, node, after


def _zero(pad: OnnxNode, constants: Constants) -> bool:
    """Whether a Pad is constant and pads with zero."""
    mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
    given = [name for name in pad.input[2:3] if name]
    return (
        mode == b"constant"
        and len(pad.input) < 4
        and all(name in constants and not np.any(constants[name]) for name in given)
    )


def clip_integers(model: OnnxModel) -> None:
    """Relu or Clip in front of a QuantizeLinear becomes a Clip of the quantized integers.

    A tensor that is concatenated with others has their scale and zero point, which leaves room
    below zero: ONNX Runtime then keeps the Relu, fuses it with the convolution before it, and runs
    both in float. Quantizing first and clipping at the quantized limits gives the same integers,
    because quantization never changes the order.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = constants_of(graph)
    readers = readers_of(graph)
    for node in list(graph.node):
        limits, quantize = _limits(node, constants), _only(readers, node, "QuantizeLinear")
        if limits is None or quantize is None:
            continue
        scale, zero = (constants[name] for name in quantize.input[1:])
        ends = [_quantized(value, scale, zero) for value in limits]
        if scale.ndim or ends == [0, 255]:
            continue  # ONNX Runtime drops it
        inner = quantize.output[0]
        names = [f"{inner}_low", f"{inner}_high"]
        for name, value in zip(names, ends, strict=True):
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.uint8), name))
        quantize.input[0] = node.input[0]
        rename_inputs(graph, {inner: f"{inner}_clipped"})
        graph.node.append(helper.make_node("Clip", [inner, *names], [f"{inner}_clipped"]))


def _only(readers: dict[str, list[OnnxNode]], node: OnnxNode, kind: str) -> OnnxNode | None:
    """The one reader of a node's output, if it is of this kind."""
    after = readers.get(node.output[0], [])
    return after[0] if len(after) == 1 and after[0].op_type == kind else None


def _limits(node: OnnxNode, constants: Constants) -> tuple[float, float] | None:
    if node.op_type == "Relu":
        return 0.0, np.inf
    if node.op_type != "Clip":
        return None
    given = [*node.input[1:], "", ""][:2]
    if any(name and name not in constants for name in given):
        return None
    low, high = (float(constants[name]) if name else None for name in given)
    return -np.inf if low is None else low, np.inf if high is None else high


def _quantized(value: float, scale: npt.NDArray[np.generic], zero: npt.NDArray[np.generic]) -> int:
    if not np.isfinite(value):
        return 0 if value < 0 else 255
    return int(np.clip(np.round(value / float(scale)) + int(zero), 0, 255))


def reduce_integers(model: OnnxModel) -> None:
    """GlobalMaxPool or ReduceMax between a pair of one scale and zero point takes the largest
    integer, the integer of the largest number."""
    constants = constants_of(model.graph)
    renamed: dict[str, str] = {}
    for before, node, after in _between(model.graph, {"GlobalMaxPool", "ReduceMax"}, constants):
        if same_pair(before, after, constants):
            if node.op_type == "GlobalMaxPool":
                _become_reduce_max(node)
            node.input[0] = before.input[0]
            renamed[after.output[0]] = node.output[0]
    rename_inputs(model.graph, renamed)


def _become_reduce_max(node: OnnxNode) -> None:
    from onnx import helper

    node.op_type = "ReduceMax"
    node.attribute.extend(
        [helper.make_attribute("axes", [2, 3]), helper.make_attribute("keepdims", 1)]
    )


def pool_means(model: OnnxModel) -> None:
    """A quantized ReduceMean over two axes of four becomes a GlobalAveragePool, which ONNX Runtime
    has on integers; channels that come last are moved to the front first."""
    from onnx import helper

    graph = model.graph
    constants = constants_of(graph)
    for before, node, after in _between(graph, {"ReduceMean"}, constants):
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axes = sorted(given.get("axes", ()))
        if axes not in ([1, 2], [2, 3]) or not _one_scale_each(before, after, constants):
            continue
        node.op_type = "GlobalAveragePool"
        del node.attribute[:]
        if axes == [1, 2]:
            node.input[0] = _channels_first(graph, before, node.output[0])
        if axes == [1, 2] or not given.get("keepdims", 1):
            _shape_behind(graph, after, keep=bool(given.get("keepdims", 1)))


def _channels_first(graph: OnnxGraph, dequantize: OnnxNode, stem: str) -> str:
    """The output of `dequantize`, from integers that are transposed before it."""
    from onnx import helper

    moved, real = f"{stem}_channels_first", f"{stem}_channels_first_real"
    graph.node.extend(
        [
            helper.make_node("Transpose", dequantize.input[:1], [moved], perm=[0, 3, 1, 2]),
            helper.make_node("DequantizeLinear", [moved, *dequantize.input[1:]], [real]),
        ]
    )
    return real


def _shape_behind(graph: OnnxGraph, quantize: OnnxNode, *, keep: bool) -> None:
    """Give [n, c, 1, 1] behind its QuantizeLinear the shape of the mean: [n, c] or [n, 1, 1, c]."""
    from onnx import helper, numpy_helper

    inner, axes = quantize.output[0], f"{quantize.output[0]}_axes"
    outer = f"{inner}_shaped"
    rename_inputs(graph, {inner: outer})
    if keep:
        graph.node.append(helper.make_node("Transpose", [inner], [outer], perm=[0, 2, 3, 1]))
        return
    graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), axes))
    graph.node.append(helper.make_node("Squeeze", [inner, axes], [outer]))


UNARY = {
    "Abs", "Elu", "Erf", "Exp", "HardSigmoid", "HardSwish", "Log", "Neg", "Reciprocal", "Sqrt",
    "Softplus", "Tanh", "TFL_GELU",
}  # fmt: skip
"""Functions of one number that ONNX Runtime has no integer form of, as tf2onnx names them."""


def look_up(model: OnnxModel, table: Table) -> None:
    """A function of one quantized number becomes a table of its 256 results, as in TFLite."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = constants_of(graph)
    for before, _, after in _between(graph, UNARY, constants):
        out = after.output[0]
        results = table(out) if _one_scale_each(before, after, constants) else None
        if results is None:
            continue
        graph.initializer.append(numpy_helper.from_array(results, f"{out}_table"))
        index = helper.make_node("Cast", before.input[:1], [f"{out}_index"], to=INT32)
        after.CopyFrom(helper.make_node("Gather", [f"{out}_table", f"{out}_index"], [out]))
        graph.node.append(index)


INT32 = 6
"""onnx.TensorProto.INT32: Gather takes its indices as this."""


def _one_scale_each(before: OnnxNode, after: OnnxNode, constants: Constants) -> bool:
    return all(constants[node.input[1]].ndim == 0 for node in (before, after))
