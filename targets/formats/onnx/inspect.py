"""The operators that ONNX Runtime runs of a file, and the proof that they are int8."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from targets.errors import ConversionError, ProofError
from targets.formats.front_end import PREFIX
from targets.untyped import OnnxGraph, OnnxNode

INT8_PREFIXES = ("QLinear", "QGemm")
MOVES_DATA = (
    "QuantizeLinear", "DequantizeLinear", "Squeeze", "Unsqueeze", "Reshape", "Transpose",
    "Flatten", "Identity", "ReorderInput", "ReorderOutput",
)  # fmt: skip
"""Operators that calculate nothing, and conversions at the input and output."""
PROBABILITY_OPS = ("Softmax", "LogSoftmax", "Sigmoid")
"""Operators that belong to the output behind the last DequantizeLinear, as in the TFLite file."""


class Inspection(BaseModel):
    """The operators of the graph that ONNX Runtime optimised for this machine."""

    model_config = ConfigDict(frozen=True)

    int8_ops: int
    float_ops: int
    front_ops: int = 0
    """Operators of the front end, which count as neither."""
    float_op_names: tuple[str, ...]
    """Operators that calculate in floating point, with the name of their output."""
    convolutions: int
    int8_convolutions: int


def require_int8(path: Path) -> Inspection:
    """The inspection of a file whose operators must all be int8, or a `ProofError`."""
    found = inspect(path)
    if found.float_ops or found.int8_convolutions != found.convolutions or not found.int8_ops:
        raise ProofError(
            f"{path.name}: int8 was asked for, but ONNX Runtime runs in float on this machine: "
            f"{', '.join(found.float_op_names) or 'everything'} "
            f"({found.int8_convolutions} of {found.convolutions} convolutions are int8)."
        )
    return found


def inspect(path: Path) -> Inspection:
    """Let ONNX Runtime optimise the file, and read the type that every operator calculates in."""
    import onnx

    written = onnx.load(path)
    runs = optimised(path)
    calculating = _calculating(runs)
    floats = runs_in_float(runs)
    return Inspection(
        int8_ops=len(calculating) - len(floats),
        float_ops=len(floats),
        front_ops=len(_front_end(runs)),
        float_op_names=tuple(_named(floats, written.graph)),
        convolutions=Counter(node.op_type for node in written.graph.node)["Conv"],
        int8_convolutions=Counter(node.op_type for node in runs.node)["QLinearConv"],
    )


def optimised(path: Path) -> OnnxGraph:
    """The graph that ONNX Runtime runs on this machine."""
    import onnx

    with TemporaryDirectory() as folder:
        file = Path(folder) / "optimised.onnx"
        _optimise(path, file)
        return onnx.load(file).graph


def runs_in_float(graph: OnnxGraph) -> list[OnnxNode]:
    """The operators of the graph `optimised` that calculate in floating point."""
    return [node for node in _calculating(graph) if _is_float(node, graph)]


def _calculating(graph: OnnxGraph) -> list[OnnxNode]:
    endings, front = _endings(graph), _front_end(graph)
    return [
        node
        for node in graph.node
        if node.op_type not in MOVES_DATA and node not in endings and node.output[0] not in front
    ]


def _front_end(graph: OnnxGraph) -> set[str]:
    """The outputs of the front end's operators: those of its names (`canonical`), and what they
    are made from. ONNX Runtime gives an operator that it puts in place of others a name of its own.
    """
    found: set[str] = set()
    for node in reversed(graph.node):  # each behind its inputs
        if node.output[0].startswith(PREFIX) or found.intersection(node.output):
            found.update(node.output, node.input)
    return found.intersection(output for node in graph.node for output in node.output)


def _optimise(path: Path, optimised: Path) -> None:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 4  # warns that the written graph is for this machine only: it is
    refused = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (refused.Fail, refused.InvalidGraph, refused.NotImplemented) as error:
        reason = " ".join(str(error).split("failed:")[-1].split())
        raise ConversionError(
            f"{path.name}: tf2onnx has no right form of this network, and ONNX Runtime does not "
            f"load what it wrote: {reason}."
        ) from error


def _endings(graph: OnnxGraph) -> list[OnnxNode]:
    """The nodes that make probabilities of the output of the last DequantizeLinear, and those that
    make further outputs of the first one, as `add_probabilities` does."""
    first = graph.output[0].name
    dequantized = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}
    behind, found = {first, *_copies(dequantized, first)}, []
    for node in graph.node:  # each behind its inputs
        if node.op_type in ("Mul", *PROBABILITY_OPS) and behind.intersection(node.input):
            found.append(node)
            behind.update(node.output)
        elif node.op_type in PROBABILITY_OPS and node.output[0] == first:
            found += [node] if node.input[0] in dequantized else []
    return found


def _copies(dequantized: Mapping[str, OnnxNode], name: str) -> list[str]:
    """ONNX Runtime gives each reader of a DequantizeLinear one of its own."""
    if name not in dequantized:
        return []
    source = list(dequantized[name].input)
    return [output for output, node in dequantized.items() if list(node.input) == source]


def _is_float(node: OnnxNode, graph: OnnxGraph) -> bool:
    """Whether an operator of the optimised graph calculates in floating point.

    The graph states no types of inner tensors. An operator without an int8 form of its own
    (MaxPool, Concat) runs as int8 where its input is int8.
    """
    return not node.op_type.startswith(INT8_PREFIXES) and not _holds_int8(node.input[0], graph)


def _holds_int8(name: str, graph: OnnxGraph) -> bool:
    from onnx import TensorProto

    made_by = {output: node for node in graph.node for output in node.output}
    types = {i.name: i.data_type for i in graph.initializer}
    types |= {i.name: i.type.tensor_type.elem_type for i in graph.input}
    while name in made_by:
        node = made_by[name]
        if node.op_type == "DequantizeLinear":
            return False
        if node.op_type == "QuantizeLinear" or node.op_type.startswith(INT8_PREFIXES):
            return True
        name = node.input[0]
    return types.get(name) in (TensorProto.INT8, TensorProto.UINT8)


def _named(nodes: list[OnnxNode], written: OnnxGraph) -> Iterator[str]:
    """Yield the type and output of each, or the TFLite tensor that it goes into, if it is named."""
    readers = {name: node for node in reversed(written.node) for name in node.input}
    for node in sorted(nodes, key=lambda n: (n.op_type, n.output[0])):
        name = node.output[0]
        after = readers.get(name)
        while after is not None and after.op_type != "QuantizeLinear":
            after = readers.get(after.output[0])
        into = after.name if after is not None else name
        yield f"{node.op_type} ({into})"
