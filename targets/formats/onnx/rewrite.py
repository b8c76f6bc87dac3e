"""Rewrites of a quantized ONNX graph that change no result, and let ONNX Runtime calculate in int8.

Each changes the model of tf2onnx in place.
"""

import numpy as np
import numpy.typing as npt

from targets.untyped import OnnxGraph, OnnxModel, OnnxNode

Array = npt.NDArray[np.generic]
Constants = dict[str, Array]
"""The initializers of a graph by name."""

WEIGHT_READERS = {"Conv", "ConvTranspose", "MatMul", "Gemm"}
"""Operators that multiply an activation with a constant."""


def int8_to_uint8(model: OnnxModel, *, weights: bool = True) -> None:
    """Every int8 tensor becomes uint8 with its zero point + 128, which holds the same numbers.

    Activations: ONNX Runtime's own pass handles only pairs with a single consumer, so that residual
    branches would stay float on x86. The constant of an addition or multiplication moves with
    them, because the kernels need operands of one type; so does a table that Gather reads.

    Weights, per channel or not: on x86 without VNNI, ONNX Runtime multiplies uint8 with int8 by
    `vpmaddubsw`, which saturates at 16 bits and gives wrong sums; its kernels for uint8 with uint8
    are exact on every processor. With `weights=False` they stay int8, for a processor that is
    known to be exact. Biases stay int32.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = constants_of(graph)
    readers = readers_of(graph)

    def moved(name: str) -> str:
        """The initializer `name` + 128 as uint8, made once."""
        new = f"{name}_uint8"
        if new not in constants:
            constants[new] = (constants[name].astype(np.int16) + 128).astype(np.uint8)
            graph.initializer.append(numpy_helper.from_array(constants[new], new))
        return new

    for node in graph.node:
        if node.op_type == "Gather" and _is_int8(constants.get(node.input[0])):
            node.input[0] = moved(node.input[0])
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        zero_point = constants.get(node.input[2])
        if zero_point is None or zero_point.dtype != np.int8:
            continue
        if node.input[0] in constants:
            read_by = {reader.op_type for reader in readers.get(node.output[0], ())}
            if read_by & WEIGHT_READERS and not weights:
                continue
            node.input[0] = moved(node.input[0])
        node.input[2] = moved(node.input[2])
    del graph.value_info[:]  # states the old types


def _is_int8(constant: Array | None) -> bool:
    return constant is not None and constant.dtype == np.int8


OWN = "_zero_point"
"""Ends the name of a zero point that no other tensor shares."""


def own_zero_points(model: OnnxModel) -> None:
    """Give the int8 weights of every DequantizeLinear a zero point of their own.

    With the session option `session.x64quantprecision=1`, which makes int8 weights exact, ONNX
    Runtime 1.32 turns weights and zero points into uint8 one by one, and does not load a file in
    which two tensors share one ("Attempt to replace the existing tensor").
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = constants_of(graph)
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        zero_point = constants[node.input[2]]
        if zero_point.dtype == np.int8:
            node.input[2] = f"{node.output[0]}{OWN}"
            graph.initializer.append(numpy_helper.from_array(zero_point, node.input[2]))


def subtract_by_adding(model: OnnxModel) -> None:
    """`x - c` with a quantized constant becomes `x + c'`, with c' = -c on the same scale.

    ONNX Runtime has an int8 addition and no int8 subtraction. With real = (q - z) * scale, -c is
    2z - q; where that is no int8, the node stays.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = constants_of(graph)
    made_by = {output: node for node in graph.node for output in node.output}
    readers = readers_of(graph)
    for node in graph.node:
        constant = made_by.get(node.input[1]) if node.op_type == "Sub" else None
        if constant is None or constant.op_type != "DequantizeLinear":
            continue
        if constant.input[0] not in constants or len(readers[constant.output[0]]) > 1:
            continue
        negated = _negated(constants[constant.input[0]], constants[constant.input[2]])
        if negated is None:
            continue
        name = f"{constant.input[0]}_{constant.output[0]}_negated"
        graph.initializer.append(numpy_helper.from_array(negated, name))
        constant.input[0] = name
        node.op_type = "Add"


def _negated(values: Array, zero_point: Array) -> npt.NDArray[np.int8] | None:
    if values.dtype != np.int8 or zero_point.ndim > 0:
        return None
    negated = 2 * zero_point.astype(np.int16) - values.astype(np.int16)
    return negated.astype(np.int8) if np.abs(negated).max() <= 127 else None


def drop_requantized_input(model: OnnxModel) -> None:
    """Remove a QuantizeLinear behind a DequantizeLinear of the same scale and zero point.

    TFLite turns the raw uint8 input into int8 first; as uint8 on both sides it changes nothing.
    """

    graph = model.graph
    constants = constants_of(graph)
    made_by = {output: node for node in graph.node for output in node.output}
    same: dict[str, str] = {}
    for node in graph.node:
        before = made_by.get(node.input[0])
        if before is not None and same_pair(before, node, constants):
            same[node.output[0]] = before.input[0]
    rename_inputs(graph, same)


def same_pair(before: OnnxNode, after: OnnxNode, constants: Constants) -> bool:
    """Whether a DequantizeLinear of an activation and a QuantizeLinear undo each other."""
    if before.op_type != "DequantizeLinear" or after.op_type != "QuantizeLinear":
        return False
    pairs = [
        (constants[a], constants[b]) for a, b in zip(before.input[1:], after.input[1:], strict=True)
    ]
    return before.input[0] not in constants and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs
    )


def constants_of(graph: OnnxGraph) -> Constants:
    from onnx import numpy_helper

    return {i.name: numpy_helper.to_array(i) for i in graph.initializer}


def readers_of(graph: OnnxGraph) -> dict[str, list[OnnxNode]]:
    readers: dict[str, list[OnnxNode]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def rename_inputs(graph: OnnxGraph, names: dict[str, str]) -> None:
    for node in graph.node:
        for slot, name in enumerate(node.input):
            node.input[slot] = names.get(name, name)
