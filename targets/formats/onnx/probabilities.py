"""Calibrated probabilities as a second output of an `.onnx` file: Mul by 1 / T, then Softmax."""

from pathlib import Path

import numpy as np

from targets.formats.contract import PROBABILITIES
from targets.formats.onnx.qdq import write

SCALED = "scaled_logits"
FACTOR = "inverse_temperature"


def add_probabilities(path: Path, *, temperature: float) -> None:
    """Append the float operators behind the logits; what is before them stays as it is."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    logits = graph.output[0]
    graph.initializer.append(numpy_helper.from_array(np.float32(1 / temperature), FACTOR))
    graph.node.append(helper.make_node("Mul", [logits.name, FACTOR], [SCALED], name=SCALED))
    graph.node.append(
        helper.make_node("Softmax", [SCALED], [PROBABILITIES], name=PROBABILITIES, axis=-1)
    )
    output = onnx.ValueInfoProto()
    output.CopyFrom(logits)
    output.name = PROBABILITIES
    graph.output.append(output)
    write(model, path)
