"""ONNX export. int8 is made from the int8 TFLite file: one quantized graph, two formats.

tf2onnx turns that file into QuantizeLinear/DequantizeLinear pairs with the same scales. Exact
rewrites follow (`rewrite`, `integers`), without which ONNX Runtime keeps operators in float
(onnxruntime#14707).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

import numpy as np

from targets.errors import ConversionError
from targets.formats.input_spec import InputSpec
from targets.formats.onnx.inspect import Inspection, inspect, require_int8
from targets.formats.onnx.integers import (
    clip_integers,
    look_up,
    pad_integers,
    pool_means,
    reduce_integers,
)
from targets.formats.onnx.products import require_exact_products, saturating_products
from targets.formats.onnx.rewrite import (
    OWN,
    drop_requantized_input,
    int8_to_uint8,
    own_zero_points,
    readers_of,
    subtract_by_adding,
)
from targets.formats.onnx.scales import require_equal_scales, scale_table
from targets.formats.record import ScaleRow
from targets.formats.tflite.inspect import is_constant, read
from targets.formats.tflite.lookup_table import table
from targets.quiet import quiet_stderr
from targets.untyped import OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValue, Tensor

__all__ = [
    "Inspection",
    "drop_requantized_input",
    "export_float",
    "export_int8",
    "inspect",
    "int8_to_uint8",
    "require_equal_scales",
    "require_int8",
    "saturating_products",
    "scale_table",
]

OPSET = 13
"""Oldest with per-channel QuantizeLinear: what older runtimes on devices load."""


def export_float(model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path) -> None:
    """Write `model` (real values to logits) as float32: raw values as float32 in."""
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec([1, *spec.shape], tf.float32, name="image")]

    @tf.function(input_signature=signature)
    def serve(image: Tensor) -> Tensor:
        return model(spec.real(image))

    with _converting(path), _one_function():
        proto, _ = tf2onnx.convert.from_function(serve, input_signature=signature, opset=OPSET)
    _require_plain(proto, path)
    erf_for_erfc(proto)
    _write(canonical(proto), path)


def export_int8(tflite: Path, path: Path, *, weights: str = "uint8") -> tuple[ScaleRow, ...]:
    """Write the int8 `tflite` file as ONNX: raw uint8 in, float32 logits out, the same scales.

    `weights` are stored as `uint8`, exact on every processor, or as `int8`, which is faster on x86
    and exact only with VNNI there (and on ARM): `products`. Returns the scale table. Raises
    `ProofError` when ONNX Runtime does not run every operator as int8, or when a scale is not
    shown to be the one of the TFLite file.
    """
    import tf2onnx

    with _converting(path):
        proto, _ = tf2onnx.convert.from_tflite(str(tflite), opset=OPSET)
    _require_plain(proto, path)
    labels = tflite_names(proto, operands(tflite))
    subtract_by_adding(proto)
    int8_to_uint8(proto, weights=weights == "uint8")
    drop_requantized_input(proto)
    for rewrite in (pad_integers, clip_integers, reduce_integers, pool_means):
        rewrite(proto)
    look_up(proto, lambda output: table(tflite, labels[output]) if output in labels else None)
    if weights == "int8":
        own_zero_points(proto)
    _write(canonical(proto, labels), path)
    require_int8(path)
    rows = scale_table(tflite, path)
    require_equal_scales(rows)
    if weights == "uint8":
        require_exact_products(path)
    return rows


@contextmanager
def _converting(path: Path) -> Iterator[None]:
    """Silence tf2onnx, and turn its errors into `ConversionError`."""
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ValueError, RuntimeError, KeyError, NotImplementedError, AssertionError) as error:
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        why = shorten(line, 400, placeholder=" …").rstrip(".")
        raise ConversionError(f"{path.name}: the network has no form in ONNX: {why}.") from error


@contextmanager
def _one_function() -> Iterator[None]:
    """Trace functions that the network calls as part of it: Keras wraps a grouped convolution in
    one for XLA, which tf2onnx does not convert."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _require_plain(model: OnnxModel, path: Path) -> None:
    """Refuse graphs in nodes and non-standard operators, which `canonical` does not handle."""
    from onnx import AttributeProto

    for node in model.graph.node:
        holds_graph = any(a.type == AttributeProto.GRAPH for a in node.attribute)
        if holds_graph or node.domain not in ("", "ai.onnx"):
            raise ConversionError(
                f"{path.name}: {node.op_type} ({node.name}) is a loop, a condition or no standard "
                "operator of ONNX."
            )


def _require_known(model: OnnxModel, path: Path) -> None:
    """Refuse operators that the standard does not have at `OPSET`: tf2onnx copies these."""
    unknown = sorted({node.op_type for node in model.graph.node if not _is_known(node.op_type)})
    if unknown:
        raise ConversionError(
            f"{path.name}: ONNX (opset {OPSET}) has no operator for {', '.join(unknown)}. Replace "
            "the layer, for example by ReLU or ReLU6."
        )


def _is_known(operator: str) -> bool:
    from onnx import defs

    try:
        defs.get_schema(operator, OPSET, "")
    except defs.SchemaError:
        return False
    return True


def erf_for_erfc(model: OnnxModel) -> None:
    """erfc(x) becomes 1 - erf(x): Keras writes gelu with erfc, which ONNX does not have."""
    from onnx import helper, numpy_helper

    graph = model.graph
    for node in list(graph.node):
        if node.op_type == "Erfc":
            out = node.output[0]
            one = numpy_helper.from_array(np.float32(1), f"{out}_one")
            graph.initializer.append(one)
            graph.node.append(helper.make_node("Sub", [one.name, f"{out}_erf"], [out]))
            node.op_type, node.output[0] = "Erf", f"{out}_erf"


def operands(tflite: Path) -> dict[str, list[str]]:
    """Every tensor of a TFLite file -> the constants that the operator before it reads."""
    model = read(tflite)
    graph = model.subgraphs[0]
    names = [tensor.name.decode() for tensor in graph.tensors]
    found: dict[str, list[str]] = {name: [] for name in names}
    for operator in graph.operators:
        read_by = [i for i in operator.inputs if i >= 0 and is_constant(model, graph.tensors[i])]
        for output in operator.outputs:
            found[names[output]] = [names[i] for i in read_by]
    return found


def tflite_names(model: OnnxModel, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Output of a quantizing node -> its TFLite tensor (of `known`).

    tf2onnx calls the output of an activation's QuantizeLinear by the tensor's own name, its input
    (where it moved the node before a Squeeze) by the name with `_prequant` behind it, and the
    output of a constant's DequantizeLinear by the name with `_dequant` behind it. A constant that
    it makes anew is the one that TFLite's operator reads there, if it reads only one.
    """
    constants = {i.name for i in model.graph.initializer}
    readers = readers_of(model.graph)
    names = {}
    for node in model.graph.node:
        output = node.output[0]
        if node.op_type == "QuantizeLinear":
            name = output if output in known else node.input[0].removesuffix("_prequant")
            if name in known:
                names[output] = name
        elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
            name = output.removesuffix("_dequant")
            beside = [] if name in known else _operands_beside(node, readers, known)
            if name in known or len(beside) == 1:
                names[output] = name if name in known else beside[0]
    return names


def _operands_beside(
    dequantize: OnnxNode, readers: Mapping[str, list[OnnxNode]], known: Mapping[str, Sequence[str]]
) -> list[str]:
    """The constants of the TFLite operators that read the output of `dequantize`."""
    found: list[str] = []
    for node in readers.get(dequantize.output[0], ()):
        for quantize in readers.get(node.output[0], ()):
            found += known.get(quantize.output[0], ())
    return list(dict.fromkeys(found))


def canonical(model: OnnxModel, labels: Mapping[str, str] | None = None) -> OnnxModel:
    """The same graph with names and an order that depend on the graph only.

    tf2onnx numbers its names differently in every process. Unused nodes and equal constants go.
    `labels` maps outputs of nodes to names of the nodes.
    """
    from onnx import helper

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    names = {graph.input[0].name: "image", graph.output[0].name: "logits"}
    kept: dict[tuple[object, ...], OnnxTensor] = {}
    nodes = []
    known = labels or {}
    for index, node in enumerate(_in_order(graph)):
        label = f"{node.op_type.lower()}_{index:03d}"
        title = known.get(node.output[0], label)
        for slot, name in enumerate(node.input):
            if name in constants and name not in names:
                tensor = constants[name]
                key = (name,) if name.endswith(OWN) else _content(tensor)
                same = kept.setdefault(key, tensor)
                if same is tensor:
                    tensor.name = f"{label}_{slot}"
                names[name] = same.name
        for slot, name in enumerate(node.output):
            names.setdefault(name, f"{label}_out{slot}")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        inputs = [names[name] if name else "" for name in node.input]
        outputs = [names[name] if name else "" for name in node.output]
        nodes.append(
            helper.make_node(node.op_type, inputs, outputs, name=title or label, **attributes)
        )
    ends = [_value(graph.input[0], "image"), _value(graph.output[0], "logits")]
    built = helper.make_graph(
        nodes, "edge-distill", ends[:1], ends[1:], sorted(kept.values(), key=lambda t: t.name)
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(built, opset_imports=opset, producer_name="edge-distill", ir_version=7)


def _in_order(graph: OnnxGraph) -> list[OnnxNode]:
    """The nodes that the output needs, each behind its inputs, by depth-first search."""
    made_by = {output: node for node in graph.node for output in node.output}
    order: list[OnnxNode] = []
    done: set[int] = set()
    stack: list[tuple[OnnxNode, bool]] = [(made_by[graph.output[0].name], False)]
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


def _content(tensor: OnnxTensor) -> tuple[object, ...]:
    from onnx import numpy_helper

    return (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())


def _value(value: OnnxValue, name: str) -> OnnxValue:
    from onnx import helper

    kind = value.type.tensor_type
    return helper.make_tensor_value_info(
        name, kind.elem_type, [dim.dim_value for dim in kind.shape.dim]
    )


def _write(model: OnnxModel, path: Path) -> None:
    import onnx

    _require_known(model, path)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
