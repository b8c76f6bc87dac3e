"""A file with a front end as two: the front end in float, and the network in integers.

Both are cut out of the whole file, so that no tensor is calculated or rounded anew. What turns the
features into integers in front of the network, and its integers into real logits, is left to the
program of the microcontroller: two multiplications with the scales of the sidecar.
"""

from pathlib import Path

from targets.errors import ConversionError
from targets.formats.front_end import PREFIX
from targets.formats.input_spec import InputSpec
from targets.formats.record import NetworkEnds
from targets.formats.tflite.ending import packed
from targets.formats.tflite.inspect import operator_name, read, scale_of
from targets.formats.tflite.micro import require_micro
from targets.untyped import TfliteGraph, TfliteModel, TfliteOperator

FEATURES = f"{PREFIX}features"


def take_apart(whole: Path, spec: InputSpec, *, front_end: Path, network: Path) -> NetworkEnds:
    """See `Format.take_apart`; the network's input and output are int8."""
    model = read(whole)
    features, first, last = _cuts(model, whole)
    source = int(model.subgraphs[0].inputs[0])
    front_end.write_bytes(_part(read(whole), source, features, names=(spec.name, "features")))
    network.write_bytes(_part(model, first, last, names=("features", "logits")))
    require_micro(network)
    graph = read(network).subgraphs[0]
    ends = [scale_of(graph.tensors[int(one[0])]) for one in (graph.inputs, graph.outputs)]
    assert ends[0] is not None  # as the QUANTIZE had it
    assert ends[1] is not None
    return NetworkEnds(dtype="int8", input=ends[0], output=ends[1], output_dtype="int8")


def _cuts(model: TfliteModel, path: Path) -> tuple[int, int, int]:
    """The float features, the integers that are made of them, and those of the logits."""
    graph = model.subgraphs[0]
    made_by = {int(op.outputs[0]): op for op in graph.operators}
    names = [tensor.name.decode() for tensor in graph.tensors]
    readers = [op for op in graph.operators if FEATURES in (names[i] for i in op.inputs if i >= 0)]
    ending = made_by[int(graph.outputs[0])]
    kinds = [operator_name(model, op) for op in (*readers, ending)]
    if kinds != ["QUANTIZE", "DEQUANTIZE"] or len(model.subgraphs) > 1:
        raise ConversionError(
            f"{path.name}: cannot be taken apart, because no front end with one QUANTIZE is in "
            f"front of a network that ends in one DEQUANTIZE: {', '.join(kinds)} are found."
        )
    features, first = int(readers[0].inputs[0]), int(readers[0].outputs[0])
    return features, first, int(ending.inputs[0])


def _part(model: TfliteModel, source: int, target: int, *, names: tuple[str, str]) -> bytes:
    """A file of the operators from the tensor `source` to `target`, which get these names."""
    graph = model.subgraphs[0]
    graph.operators = _between(graph, source, target)
    for tensor, name in zip((source, target), names, strict=True):
        graph.tensors[tensor].name = name.encode()
    _keep_tensors(graph, source, target)
    _keep_codes(model, graph)
    _keep_buffers(model, graph)
    model.metadata, model.metadataBuffer, model.signatureDefs = None, None, None
    return packed(model)


def _between(graph: TfliteGraph, source: int, target: int) -> list[TfliteOperator]:
    """The operators that `target` is calculated with from `source`, in their order."""
    needed, kept = {target}, []
    for operator in reversed(graph.operators):  # each behind its inputs
        if needed & {int(i) for i in operator.outputs}:
            kept.append(operator)
            needed |= {int(i) for i in operator.inputs} - {source}
    return kept[::-1]


def _keep_tensors(graph: TfliteGraph, source: int, target: int) -> None:
    """The tensors of the operators that are left, numbered anew."""
    read_or_made = [i for op in graph.operators for i in (*op.inputs, *op.outputs)]
    used = dict.fromkeys(int(i) for i in (source, *read_or_made) if i >= 0)
    places = {old: new for new, old in enumerate(used)}
    for operator in graph.operators:
        operator.inputs = [places.get(int(i), -1) for i in operator.inputs]
        operator.outputs = [places[int(i)] for i in operator.outputs]
    graph.tensors = [graph.tensors[i] for i in used]
    graph.inputs, graph.outputs = [places[source]], [places[target]]


def _keep_codes(model: TfliteModel, graph: TfliteGraph) -> None:
    used = dict.fromkeys(operator.opcodeIndex for operator in graph.operators)
    places = {old: new for new, old in enumerate(used)}
    for operator in graph.operators:
        operator.opcodeIndex = places[operator.opcodeIndex]
    model.operatorCodes = [model.operatorCodes[i] for i in used]


def _keep_buffers(model: TfliteModel, graph: TfliteGraph) -> None:
    """The contents of constants; buffer 0 is empty, and that of every other tensor."""
    from tensorflow.lite.python import schema_py_generated as schema

    held = {t.buffer: model.buffers[t.buffer] for t in graph.tensors}
    held = {old: one for old, one in held.items() if one.data is not None and len(one.data)}
    places = {old: new for new, old in enumerate(held, start=1)}
    for tensor in graph.tensors:
        tensor.buffer = places.get(tensor.buffer, 0)
    model.buffers = [schema.BufferT(), *held.values()]
