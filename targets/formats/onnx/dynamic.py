"""ONNX files whose weights have 8 bits, and whose activations are float32 between the operators.

Matrices are multiplied in integers with activations that are rounded as they come (ONNX Runtime's
dynamic quantization), and tables of vectors are read in 8 bits. Their weights are uint8, because
int8 ones saturate on x86 without VNNI (`products`). Kernels of convolutions and recurrent layers
are int8 in the file, and float32 from the moment it is loaded: ConvInteger took six times the time
of a float convolution, and no operator runs a GRU in integers.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError, listed
from targets.formats.front_end import PREFIX
from targets.formats.input_spec import InputSpec
from targets.formats.onnx.canonical import canonical
from targets.formats.onnx.qdq import float_graph, write
from targets.formats.onnx.weights import is_large, large_floats
from targets.formats.precisions import LARGE
from targets.untyped import OnnxModel, Tensor

ROUNDED: Mapping[str, int] = {"Gather": 0, "Gemm": 1, "MatMul": 1}
"""Operators that calculate with uint8 weights, and which of their inputs these are."""
CHANNELS: Mapping[str, tuple[int, ...]] = {
    "Conv": (0,), "ConvTranspose": (1,), "GRU": (0, 1), "LSTM": (0, 1), "RNN": (0, 1),
}  # fmt: skip
"""Operators whose weights are only stored in 8 bits -> their axes with a scale for each place."""


def export_dynamic(model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path) -> None:
    """Write `model` (real values to logits): raw values as float32 in, tokens as int32.

    A front end stays in float32. Raises `ProofError` as `require_dynamic` does.
    """
    proto, front = float_graph(model, spec, path)
    plain = canonical(proto, source=spec.name, front_end=front)  # every operator has a name
    in_front = {o for node in plain.graph.node for o in node.output if o.startswith(PREFIX)}
    store_in_8_bits(plain)
    rounded = _with_rounded_matrices(plain)
    write(canonical(rounded, source=spec.name, front_end=in_front), path)
    require_dynamic(path)


def require_dynamic(path: Path) -> None:
    """Raise `ProofError` for a file in which a weight of 1,024 elements or more is no 8-bit number,
    or where no weight has as many."""
    import onnx

    graph = onnx.load(path).graph
    wrong = [f"{node.op_type} ({node.name})" for node, _, _ in large_floats(graph)]
    if wrong:
        raise ProofError(
            f"{path.name}: dynamic was asked for, but these weights stay in float: those of "
            f"{listed(wrong)}. Ask for float32."
        )
    eight_bits = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
    if not any(one.data_type in eight_bits and is_large(one) for one in graph.initializer):
        raise ProofError(
            f"{path.name}: dynamic was asked for, but no weight tensor of the network has "
            f"{LARGE:,} elements or more, and smaller ones stay in float; ask for float32 or "
            "int8_ptq instead."
        )


def store_in_8_bits(model: OnnxModel) -> None:
    """Make the large weights of convolutions and recurrent layers int8 constants, times a scale per
    channel. ONNX Runtime calculates the product once, when it loads the file."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    added = []
    for node, slot, tensor in list(large_floats(graph)):
        if node.op_type in CHANNELS and node.input[slot] == tensor.name:
            name = f"{node.name}_{slot}"
            numbers, scale = _in_8_bits(numpy_helper.to_array(tensor), CHANNELS[node.op_type])
            for part, values in (("int8", numbers), ("scale", scale)):
                graph.initializer.append(numpy_helper.from_array(values, f"{name}_{part}"))
            added += [
                helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
            ]
            node.input[slot] = name
    in_order = [*added, *graph.node]
    del graph.node[:]
    graph.node.extend(in_order)


def _in_8_bits(
    weights: npt.NDArray[np.float32], axes: Collection[int]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Numbers from -127 to 127, and the scale of each place along `axes`, of as many dimensions."""
    summed = tuple(axis for axis in range(weights.ndim) if axis not in axes)
    largest = np.abs(weights).max(axis=summed, keepdims=True)
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    return np.rint(weights / scale).astype(np.int8), scale


def _with_rounded_matrices(model: OnnxModel) -> OnnxModel:
    """The graph in which the large matrices and tables are uint8."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rounded = [
        node.name
        for node, slot, tensor in large_floats(model.graph)
        if ROUNDED.get(node.op_type) == slot and node.input[slot] == tensor.name
    ]
    if not rounded:
        return model  # an empty list means all operators
    # Without it, the quantizer advises a preparation that these graphs do not need.
    entry = onnx.StringStringEntryProto(key="onnx.quant.pre_process", value="onnxruntime.quant")
    model.metadata_props.append(entry)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rounded.onnx"
        quantize_dynamic(
            model,
            file,
            op_types_to_quantize=list(ROUNDED),
            nodes_to_quantize=rounded,
            weight_type=QuantType.QUInt8,
        )
        return onnx.load(file)
