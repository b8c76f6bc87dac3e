"""Teachers as other tools export them: linear classifiers, fitted by least squares."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.datasets.splits import Dataset, Samples, Split, three_way
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers.contract import OpenTeacher
from tests.conftest import stripes

Array = npt.NDArray[Any]

TO_1 = TeacherConfig(scale=1 / 255)
"""Input scaling of the teachers below: pixels from 0 to 1."""


def fitted(features: Array, labels: Array) -> tuple[Array, Array]:
    """Weights [features, classes] and bias of the least-squares classifier."""
    ones = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    wanted = 4 * np.eye(labels.max() + 1)[labels] - 2
    solved = np.linalg.solve(ones.T @ ones + np.eye(ones.shape[1]), ones.T @ wanted)
    return solved[:-1].astype(np.float32), solved[-1].astype(np.float32)


def linear(data: Dataset) -> tuple[Array, Array]:
    """Weights and bias fitted to the training split, for pixels from 0 to 1."""
    train = data[Split.TRAIN]
    return fitted(train.raw.reshape(len(train), -1) / 255.0, train.labels)


@cache
def coloured() -> Dataset:
    """The stripes in three different channels, 10 high and 12 wide."""
    arrays = stripes(samples=180)
    grey = arrays["images"][:, :10]
    images = np.stack([grey, 255 - grey, np.full_like(grey, 40)], axis=-1)
    samples = Samples(raw=images, labels=arrays["labels"])
    return Dataset(
        name="colours",
        classes=("across", "down", "slanted"),
        splits=three_way(samples, validation=0.2, test=0.2, seed=0, name="colours"),
        sha256="1" * 64,
    )


def onnx_file(
    path: Path,
    data: Dataset,
    *,
    dims: Sequence[int | str | None] | None = None,
    columns: Sequence[int] = (0, 1, 2),
    uint8: bool = False,
    softmax: bool = False,
    label_first: bool = False,
) -> Path:
    """An ONNX file of the linear classifier; pixels are clipped to 0 to 1.

    `columns` are the data set's classes in the order of the file's outputs.
    """
    height, width, channels = data.input.shape
    dims = dims or ("batch", *data.input.shape)
    weights, bias = linear(data)
    if dims[1] == channels:
        weights = weights.reshape(height, width, channels, 3).transpose(2, 0, 1, 3).reshape(-1, 3)
    constants = {
        "w": weights[:, list(columns)], "b": bias[list(columns)],
        "zero": np.float32(0), "one": np.float32(1), "step": np.float32(1 / 255),
        "axes": np.array([1]),
    }  # fmt: skip
    read = "image"
    nodes = []
    if uint8:
        nodes.append(helper.make_node("Cast", [read], ["cast"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", ["cast", "step"], ["scaled"]))
        read = "scaled"
    nodes.append(helper.make_node("Clip", [read, "zero", "one"], ["clipped"]))
    nodes.append(helper.make_node("Flatten", ["clipped"], ["flat"]))
    scores = "s" if softmax else "scores"
    nodes.append(helper.make_node("Gemm", ["flat", "w", "b"], [scores]))
    if softmax:
        nodes.append(helper.make_node("Softmax", ["s"], ["scores"], axis=1))
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [dims[0], 3])]
    if label_first:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["found"], axis=1, keepdims=0))
        nodes.append(helper.make_node("Cast", ["found"], ["label"], to=TensorProto.FLOAT))
        outputs.insert(0, helper.make_tensor_value_info("label", TensorProto.FLOAT, [dims[0]]))
    graph = helper.make_graph(
        nodes,
        "teacher",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.UINT8 if uint8 else TensorProto.FLOAT, dims
            )
        ],
        outputs,
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def expected(data: Dataset, split: Split = Split.VAL) -> Array:
    """The logits of the linear teacher."""
    weights, bias = linear(data)
    result: Array = data[split].raw.reshape(len(data[split]), -1) / 255.0 @ weights + bias
    return result


def answers(teacher: OpenTeacher, data: Dataset) -> Array:
    """The teacher's logits of the validation split."""
    return teacher.logits(data[Split.VAL].raw)


def tflite_file(path: Path, data: Dataset, *, dtype: str | None) -> Path:
    """A TFLite file of the linear teacher with a softmax; int8 with input and output of `dtype`
    unless that is None."""
    import tensorflow as tf

    weights, bias = linear(data)

    @tf.function(
        input_signature=[tf.TensorSpec([None if dtype is None else 1, 12, 12, 1], tf.float32)]
    )
    def net(image: Any) -> Any:
        return tf.nn.softmax(tf.reshape(image, [-1, 144]) @ weights + bias)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()], net)
    if dtype is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, dtype)
        train = data[Split.TRAIN].raw.astype(np.float32) / np.float32(255)
        converter.representative_dataset = lambda: ([train[i : i + 1]] for i in range(100))
    path.write_bytes(converter.convert())
    return path
