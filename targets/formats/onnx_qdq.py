"""ONNX export. int8 is made from the int8 TFLite file: one quantized graph, two formats.

tf2onnx turns that file into QuantizeLinear/DequantizeLinear pairs with the same scales. Two exact
rewrites follow, without which ONNX Runtime keeps convolutions in float (onnxruntime#14707): int8
activations become uint8 (zero point + 128), and the pair behind the raw input goes away.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from targets.formats.onnx_inspect import Inspection, inspect, require_int8
from targets.formats.onnx_scales import require_equal_scales, scale_table
from targets.formats.tflite_inspect import read
from targets.inputs import InputSpec
from targets.quiet import quiet_stderr

__all__ = [
    "Inspection",
    "export_float",
    "export_int8",
    "inspect",
    "require_equal_scales",
    "require_int8",
    "scale_table",
]

Tensor = Any
Model = Any

OPSET = 13
"""Oldest with per-channel QuantizeLinear: what older runtimes on devices load."""


def export_float(model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path) -> None:
    """Write `model` (normalised images to logits) as float32: raw values as float32 in."""
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec([1, *spec.shape], tf.float32, name="image")]

    @tf.function(input_signature=signature)
    def serve(image: Tensor) -> Tensor:
        return model(spec.real(image))

    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto, _ = tf2onnx.convert.from_function(serve, input_signature=signature, opset=OPSET)
    _write(canonical(proto), path)


def export_int8(tflite: Path, path: Path) -> None:
    """Write the int8 `tflite` file as ONNX: raw uint8 in, float32 logits out, the same scales.

    Raises `ProofError` when ONNX Runtime does not run every operator as int8, or when a scale is
    not shown to be the one of the TFLite file.
    """
    import tf2onnx

    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto, _ = tf2onnx.convert.from_tflite(str(tflite), opset=OPSET)
    labels = tflite_names(proto, {t.name.decode() for t in read(tflite).subgraphs[0].tensors})
    int8_to_uint8(proto)
    drop_requantized_input(proto)
    _write(canonical(proto, labels), path)
    require_int8(path)
    require_equal_scales(scale_table(tflite, path))


def tflite_names(model: Model, known: set[str]) -> dict[str, str]:
    """Output of a quantizing node -> the TFLite tensor (of `known`) that it stands for.

    tf2onnx calls the output of an activation's QuantizeLinear by the tensor's own name, its input
    (where it moved the node before a Squeeze) by the name with `_prequant` behind it, and the
    output of a constant's DequantizeLinear by the name with `_dequant` behind it.
    """
    constants = {i.name for i in model.graph.initializer}
    names = {}
    for node in model.graph.node:
        output = node.output[0]
        if node.op_type == "QuantizeLinear":
            name = output if output in known else node.input[0].removesuffix("_prequant")
            if name in known:
                names[output] = name
        elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
            name = output.removesuffix("_dequant")
            if name in known:
                names[output] = name
    return names


def int8_to_uint8(model: Model) -> None:
    """Every per-tensor int8 activation becomes uint8 with zero point + 128: exact.

    Weights stay int8 per channel and biases int32. ONNX Runtime's own pass handles only pairs
    with a single consumer, so that residual branches would stay float on x86.
    """
    import numpy as np
    from onnx import numpy_helper

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    moved: dict[str, str] = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        name = node.input[2]
        if node.input[0] in constants or name not in constants:
            continue
        zero_point = numpy_helper.to_array(constants[name])
        if zero_point.dtype != np.int8 or zero_point.ndim > 0:
            continue
        if name not in moved:
            moved[name] = f"{name}_uint8"
            shifted = (zero_point.astype(np.int16) + 128).astype(np.uint8)
            graph.initializer.append(numpy_helper.from_array(shifted, moved[name]))
        node.input[2] = moved[name]
    del graph.value_info[:]  # states the old types


def drop_requantized_input(model: Model) -> None:
    """Remove a QuantizeLinear behind a DequantizeLinear of the same scale and zero point.

    TFLite turns the raw uint8 input into int8 first; as uint8 on both sides it changes nothing.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    same: dict[str, str] = {}
    for node in graph.node:
        before = made_by.get(node.input[0])
        if node.op_type != "QuantizeLinear" or before is None:
            continue
        if before.op_type != "DequantizeLinear" or before.input[0] in constants:
            continue
        pairs = zip(before.input[1:], node.input[1:], strict=True)
        if all(
            constants[a].dtype == constants[b].dtype and constants[a] == constants[b]
            for a, b in pairs
        ):
            same[node.output[0]] = before.input[0]
    for node in graph.node:
        for slot, name in enumerate(node.input):
            node.input[slot] = same.get(name, name)


def canonical(model: Model, labels: Mapping[str, str] | None = None) -> Model:
    """The same graph with names and order that depend on nothing but the graph.

    tf2onnx numbers its names differently in every process. Unused nodes and equal constants go.
    `labels` names nodes after what they stand for, by their output.
    """
    from onnx import helper

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    names = {graph.input[0].name: "image", graph.output[0].name: "logits"}
    kept: dict[tuple[Any, ...], Any] = {}
    nodes = []
    known = labels or {}
    for index, node in enumerate(_in_order(graph)):
        label = f"{node.op_type.lower()}_{index:03d}"
        title = known.get(node.output[0], label)
        for slot, name in enumerate(node.input):
            if name in constants and name not in names:
                tensor = constants[name]
                same = kept.setdefault(_content(tensor), tensor)
                if same is tensor:
                    tensor.name = f"{label}_{slot}"
                names[name] = same.name
        for slot, name in enumerate(node.output):
            names.setdefault(name, f"{label}_out{slot}")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        inputs = [names[name] if name else "" for name in node.input]
        outputs = [names[name] for name in node.output]
        nodes.append(
            helper.make_node(node.op_type, inputs, outputs, name=title or label, **attributes)
        )
    ends = [_value(graph.input[0], "image"), _value(graph.output[0], "logits")]
    built = helper.make_graph(
        nodes, "edge-distill", ends[:1], ends[1:], sorted(kept.values(), key=lambda t: t.name)
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(built, opset_imports=opset, producer_name="edge-distill", ir_version=7)


def _in_order(graph: Any) -> list[Any]:
    """The nodes that the output needs, each behind its inputs, by depth-first search."""
    made_by = {output: node for node in graph.node for output in node.output}
    order: list[Any] = []
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(made_by[graph.output[0].name], False)]
    while stack:
        node, expanded = stack.pop()
        if id(node) in done:
            continue
        if expanded:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((node, True))
        stack.extend((made_by[name], False) for name in reversed(node.input) if name in made_by)
    return order


def _content(tensor: Any) -> tuple[Any, ...]:
    from onnx import numpy_helper

    return (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())


def _value(value: Any, name: str) -> Any:
    from onnx import helper

    kind = value.type.tensor_type
    return helper.make_tensor_value_info(
        name, kind.elem_type, [dim.dim_value for dim in kind.shape.dim]
    )


def _write(model: Model, path: Path) -> None:
    import onnx

    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
