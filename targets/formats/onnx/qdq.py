"""ONNX export. int8 is made from the int8 TFLite file: one quantized graph, two formats.

tf2onnx turns that file into QuantizeLinear/DequantizeLinear pairs with the same scales. Exact
rewrites follow (`rewrite`, `integers`), without which ONNX Runtime keeps operators in float
(onnxruntime#14707).
"""

import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

import numpy as np

from targets.errors import ConversionError
from targets.formats.input_spec import InputSpec
from targets.formats.onnx import fully_connected
from targets.formats.onnx.canonical import OPSET, canonical
from targets.formats.onnx.inspect import require_int8
from targets.formats.onnx.integers import (
    clip_integers,
    look_up,
    pad_integers,
    pool_means,
    reduce_integers,
)
from targets.formats.onnx.mixed import require_same_floats
from targets.formats.onnx.products import require_exact_products
from targets.formats.onnx.rewrite import (
    drop_requantized_input,
    int8_to_uint8,
    own_zero_points,
    readers_of,
    subtract_by_adding,
)
from targets.formats.onnx.scales import require_equal_scales, scale_table
from targets.formats.record import ScaleRow
from targets.formats.tflite.inspect import is_constant, operator_name, read
from targets.formats.tflite.lookup_table import table
from targets.quiet import quiet_stderr
from targets.untyped import OnnxGraph, OnnxModel, OnnxNode, Tensor


def export_float(model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path) -> None:
    """Write `model` (real values to logits) as float32: raw values as float32 in."""
    proto, front = float_graph(model, spec, path)
    write(canonical(proto, source=spec.name, front_end=front), path)


def float_graph(
    model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path
) -> tuple[OnnxModel, set[str]]:
    """The graph of `model` from raw values to logits, and what its front end calculates."""
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec([1, *spec.shape], spec.file_dtype, name=spec.name)]

    @tf.function(input_signature=signature)
    def serve(raw: Tensor) -> list[Tensor]:
        # The features are an output, because tf2onnx keeps no other names. `canonical` drops it.
        values = spec.real(raw)
        return [model(values), *([values] if spec.front_end else [])]

    with _converting(path), _one_function():
        proto, _ = tf2onnx.convert.from_function(serve, input_signature=signature, opset=OPSET)
    _require_plain(proto, path)
    erf_for_erfc(proto)
    return proto, calculated_for(proto.graph, [one.name for one in proto.graph.output[1:]])


def export_int8(
    tflite: Path,
    path: Path,
    *,
    weights: str = "uint8",
    mixed: bool = False,
    spec: InputSpec | None = None,
) -> tuple[ScaleRow, ...]:
    """Write the int8 `tflite` file as ONNX: the same raw values in, float32 logits out, and the
    same scales.

    `weights` are stored as `uint8`, exact on every processor, or as `int8`, which is faster on x86
    and exact only with VNNI there (and on ARM): `products`. Returns the scale table. Raises
    `ProofError` when ONNX Runtime does not run every operator as int8 (of a `mixed` file: every
    operator that TFLite does), or when a scale is not shown to be the one of the TFLite file.
    """
    import tf2onnx

    fully_connected.register()
    with _converting(path):
        proto, _ = tf2onnx.convert.from_tflite(str(tflite), opset=OPSET)
    _require_plain(proto, path)
    front = outputs_in_front(proto.graph) if spec and spec.front_end else set[str]()
    labels = tflite_names(proto, operands(tflite))
    labels |= _features(proto, tflite, front)
    subtract_by_adding(proto)
    int8_to_uint8(proto, weights=weights == "uint8")
    drop_requantized_input(proto)
    for rewrite in (pad_integers, clip_integers, reduce_integers, pool_means):
        rewrite(proto)
    look_up(proto, lambda output: table(tflite, labels[output]) if output in labels else None)
    if weights == "int8":
        own_zero_points(proto)
    name = spec.name if spec else "image"
    write(canonical(proto, labels, source=name, front_end=front), path)
    if mixed:
        require_same_floats(tflite, path)
    else:
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


def outputs_in_front(graph: OnnxGraph) -> set[str]:
    """What is calculated of the input in float, in front of the first quantization."""
    first = [n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"][:1]
    return calculated_for(graph, first)


def calculated_for(graph: OnnxGraph, names: Sequence[str]) -> set[str]:
    """`names` and everything that they are calculated from, constants and inputs left out."""
    made = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name in made and name not in found:
            found.update(made[name].output)
            open_names += made[name].input
    return found


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


def _features(model: OnnxModel, tflite: Path, front_end: Container[str]) -> dict[str, str]:
    """Output of the node that quantizes the features -> their tensor: tf2onnx moves it forward."""
    file = read(tflite)
    graph = file.subgraphs[0]
    made = [op.outputs[0] for op in graph.operators if operator_name(file, op) == "QUANTIZE"][:1]
    return {
        node.output[0]: graph.tensors[int(tensor)].name.decode()
        for node in model.graph.node
        for tensor in made
        if node.op_type == "QuantizeLinear" and node.input[0] in front_end
    }


def tflite_names(model: OnnxModel, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Output of a node that quantizes or reads a table -> its TFLite tensor (of `known`).

    tf2onnx calls the output of an activation's QuantizeLinear by the tensor's own name, its input
    (where it moved the node before a Squeeze) and what Gather reads from a table of integers by the
    name with `_prequant` behind it, and the output of a constant's DequantizeLinear by the name
    with `_dequant` behind it. A constant that it makes anew is the one that TFLite's operator reads
    there, if it reads only one.
    """
    constants = {i.name for i in model.graph.initializer}
    readers = readers_of(model.graph)
    names = {}
    for node in model.graph.node:
        output = node.output[0]
        if node.op_type == "Gather" and output.removesuffix("_prequant") in known:
            names[output] = output.removesuffix("_prequant")
        elif node.op_type == "QuantizeLinear":
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


def write(model: OnnxModel, path: Path) -> None:
    """Raises `ConversionError` for operators beyond the standard at `OPSET`."""
    import onnx

    _require_known(model, path)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
