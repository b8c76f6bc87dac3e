"""A classifier of series by the channel that swings, as an .onnx file."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from targets.formats import sidecar
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.input_spec import array_input
from tests.arrays import NAMES
from tests.exported import student

SHAPE = (12, 3)
SCALING = ChannelScaling(mean=(0.0, 1000.0, -9.81), deviation=(1.0, 100.0, 0.01))


def delivered(path: Path) -> Path:
    """A file as a run leaves it: raw values in, logits out."""
    onnx.save(_network(), path)
    spec = array_input(*SHAPE, scaling=SCALING)
    sidecar.write(path, record=student(path), classes=NAMES, input=spec, preprocessing=None)
    return path


def _network() -> onnx.ModelProto:
    """The mean size of each channel, scaled as `SCALING` has it."""
    nodes = [
        helper.make_node("Sub", ["values", "mean"], ["moved"]),
        helper.make_node("Div", ["moved", "deviation"], ["scaled"]),
        helper.make_node("Abs", ["scaled"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["scores"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "swing",
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [
            numpy_helper.from_array(np.array(SCALING.mean, np.float32), "mean"),
            numpy_helper.from_array(np.array(SCALING.deviation, np.float32), "deviation"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
