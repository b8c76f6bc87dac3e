"""Classifiers of sounds by their loudness, as .onnx files."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from targets.formats import sidecar
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import waveform_input
from targets.formats.streaming import WordThreshold
from targets.sounds.windowing import Windowing
from tests.exported import student
from tests.sounds import RATE

CLASSES = ("quiet", "loud")
WINDOW = Windowing(rate=RATE, samples=RATE)


def delivered(
    path: Path,
    *,
    windowing: Windowing | None = WINDOW,
    streaming: WordThreshold | None = None,
) -> Path:
    """A file as a run leaves it: a second of raw waveform in, logits out."""
    onnx.save(_network(), path)
    sidecar.write(
        path,
        record=student(path),
        classes=CLASSES,
        input=waveform_input(RATE, SoundFrontEnd(rate=RATE)),
        preprocessing=None,
        windowing=windowing,
        streaming=streaming,
    )
    return path


def _network() -> onnx.ModelProto:
    """Loud is a mean of more than a tenth of full scale."""
    nodes = [
        helper.make_node("Abs", ["waveform"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["mean", "gain"], ["gained"]),
        helper.make_node("Add", ["gained", "bias"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, RATE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])],
        [
            numpy_helper.from_array(np.array([[0, 100 / 32768]], np.float32), "gain"),
            numpy_helper.from_array(np.array([10, 0], np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
