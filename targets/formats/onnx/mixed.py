"""The proof that of a mixed ONNX file the float operators of its TFLite file are in float, only."""

from collections.abc import Iterator
from pathlib import Path

from targets.errors import ProofError
from targets.formats.onnx.inspect import optimised, runs_in_float
from targets.formats.onnx.rewrite import readers_of
from targets.formats.tflite.inspect import inspect as inspect_tflite
from targets.formats.tflite.inspect import operator_name, read
from targets.formats.tflite.proofs import is_float
from targets.untyped import OnnxGraph, OnnxNode

END = "the logits"


def require_same_floats(tflite: Path, path: Path) -> None:
    """Raise `ProofError` where ONNX Runtime calculates other tensors in float than TFLite does.

    An operator is known by the quantized tensors that its result ends in.
    """
    import onnx

    labels = {node.output[0]: node.name for node in onnx.load(path).graph.node}
    runs = optimised(path)
    found = {end for node in runs_in_float(runs) for end in _ends(node, runs, labels)}
    expected = set(_float_ends(tflite))
    if found != expected:
        raise ProofError(
            f"{path.name}: mixed was asked for, but ONNX Runtime calculates in float what ends in "
            f"{', '.join(sorted(found)) or 'nothing'}, and TFLite what ends in "
            f"{', '.join(sorted(expected))}."
        )


def _ends(node: OnnxNode, graph: OnnxGraph, labels: dict[str, str]) -> Iterator[str]:
    """The names of the QuantizeLinear nodes that the result of `node` reaches, or `END`."""
    readers = readers_of(graph)
    pending = list(node.output)
    while pending:
        name = pending.pop()
        if name == graph.output[0].name:
            yield END
        for reader in readers.get(name, ()):
            if reader.op_type == "QuantizeLinear":
                yield labels[reader.output[0]]
            else:
                pending += reader.output


def _float_ends(path: Path) -> Iterator[str]:
    """The quantized tensors of a TFLite file that the results of float operators reach."""
    model = read(path)
    graph = model.subgraphs[0]
    floats = {op.output for op in inspect_tflite(path).operators if is_float(op) and not op.edge}
    names = [tensor.name.decode() for tensor in graph.tensors]
    pending = [i for i, name in enumerate(names) if name in floats]
    while pending:
        place = pending.pop()
        if place == int(graph.outputs[0]):
            yield END
        for operator in graph.operators:
            if place not in [int(i) for i in operator.inputs]:
                continue
            if operator_name(model, operator) == "QUANTIZE":
                yield names[operator.outputs[0]]
            else:
                pending += [int(i) for i in operator.outputs]
