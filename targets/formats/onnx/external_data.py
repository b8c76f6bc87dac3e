"""The files beside an ONNX file that hold its weights."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, TensorProto


def external_files(path: Path) -> tuple[str, ...]:
    """Return the files that hold weights of `path`, relative to its folder, sorted."""
    return tuple(sorted(set(_locations(path))))


def _locations(path: Path) -> Iterator[str]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:  # no model at all: the runtime reports it
        return
    attributes = (
        one for function in model.functions for node in function.node for one in node.attribute
    )
    for tensor in (*_of_graph(model.graph), *_of_attributes(attributes)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")


def _of_graph(graph: "GraphProto") -> Iterator["TensorProto"]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_attributes(one for node in graph.node for one in node.attribute)


def _of_attributes(attributes: Iterable["AttributeProto"]) -> Iterator["TensorProto"]:
    """Yield the tensors of constants, and of the graphs of branches and loops."""
    for one in attributes:
        yield from (one.t, *one.tensors)
        for sparse in (one.sparse_tensor, *one.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (one.g, *one.graphs):
            yield from _of_graph(graph)
