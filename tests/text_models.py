"""Classifiers of questions by their words, as .onnx files with a vocabulary beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from targets.formats import sidecar
from targets.texts import tokens
from targets.texts.tokenizer import Tokenizer
from tests.exported import student

CLASSES = ("COUNT", "WHAT", "WHERE")
WORDS = {"how": 0, "many": 0, "what": 1, "where": 2, "place": 2, "cat": None, "dog": None}
"""Word -> the class that it speaks for."""
TOKENIZER = Tokenizer(kind="words", vocabulary=(*tokens.SPECIAL, *WORDS), length=8)


def delivered(path: Path, *, classes: Sequence[str] = CLASSES) -> Path:
    """A file as a run leaves it: int32 tokens in, logits out, its vocabulary beside it."""
    onnx.save(_network(), path)
    sidecar.write(
        path,
        record=student(path),
        classes=classes,
        input=TOKENIZER.input,
        preprocessing=None,
        tokenizer=TOKENIZER.record,
    )
    TOKENIZER.write(path.parent)
    return path


def _network() -> onnx.ModelProto:
    """The sum of a row of scores for each token."""
    table = np.zeros((len(TOKENIZER.vocabulary), len(CLASSES)), np.float32)
    for word, number in WORDS.items():
        if number is not None:
            table[TOKENIZER.numbers[word], number] = 5
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axes"], ["scores"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info("tokens", TensorProto.INT32, [1, TOKENIZER.length])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(CLASSES)])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
