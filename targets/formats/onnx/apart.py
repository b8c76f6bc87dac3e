"""A file with a front end as two: the front end in float, and the network behind it.

Both are cut out of the whole file, so that no constant is changed. The network takes the raw
integers of its features, as int8 files of images take their pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from targets.errors import ConversionError
from targets.formats.front_end import PREFIX
from targets.formats.input_spec import InputSpec
from targets.formats.model_io import Quantization
from targets.formats.onnx.canonical import OPSET
from targets.formats.onnx.inspect import require_int8
from targets.formats.onnx.qdq import calculated_for, write
from targets.formats.onnx.rewrite import Constants, constants_of, rename_inputs
from targets.formats.record import NetworkEnds
from targets.untyped import OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValue

FEATURES = "features"


def take_apart(whole: Path, spec: InputSpec, *, front_end: Path, network: Path) -> NetworkEnds:
    """See `Format.take_apart`; the network's input is uint8, its output float32."""
    import onnx

    graph = onnx.load(whole).graph
    quantize, dequantize = _cuts(graph, whole)
    constants = constants_of(graph)
    zero_point = constants[quantize.input[2]]
    front = _front_end(graph, quantize.input[0], spec)
    write(front, front_end)
    write(_network(graph, quantize, _shape_at_cut(front), spec), network)
    require_int8(network)
    return NetworkEnds(
        dtype=zero_point.dtype.name,
        input=_quantization(quantize, constants),
        output=_quantization(dequantize, constants),
        output_dtype="float32",
    )


def _cuts(graph: OnnxGraph, path: Path) -> tuple[OnnxNode, OnnxNode]:
    """The node that quantizes the features, and the one that makes real logits."""
    kinds = [node for node in graph.node if node.input[0].startswith(PREFIX)]
    behind = [node for node in kinds if not node.output[0].startswith(PREFIX)]
    made_by = {output: node for node in graph.node for output in node.output}
    found = [*behind, made_by[graph.output[0].name]]
    if [node.op_type for node in found] != ["QuantizeLinear", "DequantizeLinear"]:
        raise ConversionError(
            f"{path.name}: cannot be taken apart, because no front end with one QuantizeLinear is "
            "in front of a network that ends in one DequantizeLinear: "
            f"{', '.join(node.op_type for node in found)} are found."
        )
    return found[0], found[1]


def _quantization(node: OnnxNode, constants: Constants) -> Quantization:
    return float(constants[node.input[1]]), int(constants[node.input[2]])


def _front_end(graph: OnnxGraph, features: str, spec: InputSpec) -> OnnxModel:
    """With a Reshape at its end: tf2onnx leaves out the last dimension, of 1."""
    from onnx import TensorProto, helper

    inside = calculated_for(graph, [features])
    nodes = [node for node in graph.node if node.output[0] in inside]
    shape = _shape_constant("front_end/features_shape", [1, *spec.features])
    nodes.append(helper.make_node("Reshape", [features, shape.name], [FEATURES], name=FEATURES))
    target = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [1, *spec.features])
    return _model(graph, nodes, graph.input[0], target, [shape])


def _shape_at_cut(front: OnnxModel) -> list[int]:
    """What the QuantizeLinear of the whole file takes: the input of the last Reshape."""
    from onnx import shape_inference

    inferred = shape_inference.infer_shapes(front, strict_mode=True).graph
    (found,) = [one for one in inferred.value_info if one.name == front.graph.node[-1].input[0]]
    return [dim.dim_value for dim in found.type.tensor_type.shape.dim]


def _network(
    graph: OnnxGraph, quantize: OnnxNode, shape: Sequence[int], spec: InputSpec
) -> OnnxModel:
    from onnx import TensorProto, helper

    inside = calculated_for(graph, quantize.output)
    rest = [node for node in graph.node if node.output[0] not in inside]
    constants = []
    if list(shape) == [1, *spec.features]:
        rename_inputs(graph, {quantize.output[0]: FEATURES})
    else:
        constants.append(_shape_constant("features_shape", shape))
        made = list(quantize.output)
        rest.insert(
            0, helper.make_node("Reshape", [FEATURES, constants[0].name], made, name=FEATURES)
        )
    source = helper.make_tensor_value_info(FEATURES, TensorProto.UINT8, [1, *spec.features])
    return _model(graph, rest, source, graph.output[0], constants)


def _shape_constant(name: str, shape: Sequence[int]) -> OnnxTensor:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array(shape, np.int64), name)


def _model(
    graph: OnnxGraph,
    nodes: Sequence[OnnxNode],
    source: OnnxValue,
    target: OnnxValue,
    constants: Sequence[OnnxTensor],
) -> OnnxModel:
    """As `canonical` writes one, with the constants that the nodes read."""
    from onnx import helper

    read = {name for node in nodes for name in node.input}
    kept = [*(one for one in graph.initializer if one.name in read), *constants]
    built = helper.make_graph(
        nodes, "edge-distill", [source], [target], sorted(kept, key=lambda one: one.name)
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(built, opset_imports=opset, producer_name="edge-distill", ir_version=7)
