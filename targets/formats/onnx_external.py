"""Where an ONNX file keeps weights that are not in it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, TensorProto


def locations(path: Path) -> Iterator[str]:
    """As the file says them, relative to its folder; none of what is no ONNX file at all."""
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return
    in_functions = (
        one for function in model.functions for node in function.node for one in node.attribute
    )
    for tensor in (*_of_graph(model.graph), *_of_attributes(in_functions)):
        if tensor.data_location == TensorProto.EXTERNAL:
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_attributes(one for node in graph.node for one in node.attribute)


def _of_attributes(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
    """Those of constants, and of the graphs of branches and loops."""
    for one in attributes:
        yield from (one.t, *one.tensors)
        for sparse in (one.sparse_tensor, *one.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (one.g, *one.graphs):
            yield from _of_graph(graph)
