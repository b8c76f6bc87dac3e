"""The weights of an ONNX graph: constants that operators multiply with, or look up rows of."""

from collections.abc import Iterator, Mapping
from math import prod

from targets.formats.front_end import PREFIX
from targets.formats.precisions import LARGE
from targets.untyped import OnnxGraph, OnnxNode, OnnxTensor

SLOTS: Mapping[str, tuple[int, ...]] = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Einsum": (0, 1),
    "GRU": (1, 2),
    "Gather": (0,),
    "Gemm": (0, 1),
    "LSTM": (1, 2),
    "MatMul": (0, 1),
    "RNN": (1, 2),
}
"""Operator in float -> which of its inputs can be weights."""


def is_large(tensor: OnnxTensor) -> bool:
    return int(prod(tensor.dims)) >= LARGE


def large_floats(graph: OnnxGraph) -> Iterator[tuple[OnnxNode, int, OnnxTensor]]:
    """Operator, slot and tensor of each large weight in floating point, without the front end's.

    Where operators calculate a weight from constants, the largest one is meant: the others are
    scales.
    """
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)

    def size(tensor: OnnxTensor) -> tuple[int, bool]:
        return prod(tensor.dims), tensor.data_type not in floats

    for node, slot, tensors in _weights(graph):
        tensor = max(tensors, key=size)
        if tensor.data_type in floats and is_large(tensor):
            yield node, slot, tensor


def _weights(graph: OnnxGraph) -> Iterator[tuple[OnnxNode, int, list[OnnxTensor]]]:
    """Each weight of the network, and the constants that it is made of."""
    constants = {one.name: one for one in graph.initializer}
    made_of = _made_of(graph)
    for node in graph.node:
        for slot in SLOTS.get(node.op_type, ()):
            names = made_of.get(node.input[slot])
            if names and not node.name.startswith(PREFIX):
                yield node, slot, [constants[name] for name in names]


def _made_of(graph: OnnxGraph) -> dict[str, tuple[str, ...]]:
    """Each value that depends on no input -> the constants that it is calculated from, sorted."""
    found: dict[str, tuple[str, ...]] = {one.name: (one.name,) for one in graph.initializer}
    for node in graph.node:  # each behind its inputs
        inputs = [name for name in node.input if name]
        if all(name in found for name in inputs):
            behind = {name for source in inputs for name in found[source]}
            found.update(dict.fromkeys(node.output, tuple(sorted(behind))))
    return found
