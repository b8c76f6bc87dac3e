"""A file with its front end: the operators from the raw input to the features, then the network's.

Both files are converted on their own. So the front end is the same float operators in front of a
network of any precision: converted as one graph, `dynamic` would round the front end's matrices to
int8, and calibration would round the energies, of which 8 bits hold nothing.
"""

from collections.abc import Iterator

from targets.formats.front_end import PREFIX
from targets.formats.input_spec import InputSpec
from targets.formats.tflite.ending import packed
from targets.untyped import TfliteGraph, TfliteModel


def with_front_end(network: bytes, front_end: bytes, spec: InputSpec) -> bytes:
    """The file that runs `front_end` on `spec.shape`, and `network` on its result."""
    model, front = _read(network), _read(front_end)
    graph, first = model.subgraphs[0], front.subgraphs[0]
    source, features = int(first.inputs[0]), int(first.outputs[0])
    places = dict(enumerate(range(len(graph.tensors), len(graph.tensors) + len(first.tensors))))
    places[features] = int(graph.inputs[0])
    _rename(first, spec)
    graph.operators = [*_moved(front, places, codes=len(model.operatorCodes)), *graph.operators]
    for tensor in first.tensors:
        tensor.buffer += len(model.buffers)
    graph.tensors[places[features]].name = f"{PREFIX}features".encode()
    graph.tensors = [*graph.tensors, *first.tensors]
    model.operatorCodes = [*model.operatorCodes, *front.operatorCodes]
    model.buffers = [*model.buffers, *front.buffers]
    graph.inputs = [places[source]]
    return packed(model)


def _read(content: bytes) -> TfliteModel:
    from tensorflow.lite.python import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


def _rename(graph: TfliteGraph, spec: InputSpec) -> None:
    source = int(graph.inputs[0])
    for place, tensor in enumerate(graph.tensors):
        tensor.name = f"{PREFIX}{tensor.name.decode()}".encode()
        if place == source:
            tensor.name = spec.name.encode()


def _moved(front: TfliteModel, places: dict[int, int], *, codes: int) -> Iterator[object]:
    """The operators with the places of their tensors and codes in the whole file."""
    for operator in front.subgraphs[0].operators:
        operator.opcodeIndex += codes
        operator.inputs = [places.get(int(i), int(i)) for i in operator.inputs]
        operator.outputs = [places[int(i)] for i in operator.outputs]
        yield operator
