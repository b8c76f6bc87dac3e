"""A teacher of two classes may give one score, that of the second: it teaches as two would."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.datasets.splits import Dataset, Samples, Split, three_way
from pipeline.export import description
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.teachers.contract import raw_input
from targets.bench.plan import logits_of
from targets.errors import InputError
from targets.formats.input_spec import image_input
from targets.formats.model_io import ModelIO
from tests.conftest import stripes
from tests.teacher_files import TO_1, answers, fitted


@cache
def data() -> Dataset:
    arrays = stripes()
    two = arrays["labels"] < 2
    samples = Samples(raw=arrays["images"][two][..., None], labels=arrays["labels"][two])
    return Dataset(
        name="two",
        classes=("across", "down"),
        splits=three_way(samples, validation=0.2, test=0.2, seed=0, name="two"),
        sha256="2" * 64,
    )


@cache
def weights() -> tuple[Any, Any]:
    """Of the score of "down": logits of two classes, less those of the first."""
    train = data()[Split.TRAIN]
    weight, bias = fitted(train.raw.reshape(len(train), -1) / 255.0, train.labels)
    return weight[:, 1:] - weight[:, :1], bias[1:] - bias[:1]


def score() -> Any:
    images = data()[Split.VAL].raw
    return images.reshape(len(images), -1) / 255.0 @ weights()[0] + weights()[1]


def keras_net(*, sigmoid: bool) -> Any:
    import tf_keras
    from tf_keras import layers

    last = layers.Dense(1, activation="sigmoid" if sigmoid else None)
    net = tf_keras.Sequential([layers.Input((144,)), last])
    net.set_weights(list(weights()))
    return net


def written(folder: Path, kind: str, *, sigmoid: bool) -> Path:
    path = folder / f"one.{kind}"
    if kind == "onnx":
        onnx.save(_graph(sigmoid=sigmoid), path)
    elif kind == "keras":
        keras_net(sigmoid=sigmoid).save(path)
    else:
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(keras_net(sigmoid=sigmoid))
        path.write_bytes(converter.convert())
    return path


def _graph(*, sigmoid: bool) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
    ]
    last = "p" if sigmoid else "z"
    graph = helper.make_graph(
        nodes[: 3 if sigmoid else 2],
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 12, 12, 1])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(v, name) for name, v in zip("wb", weights(), strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def config(*, sigmoid: bool) -> TeacherConfig:
    return TO_1.model_copy(update={"output": "probabilities" if sigmoid else "logits"})


@pytest.mark.parametrize("sigmoid", [True, False], ids=["probability", "logit"])
@pytest.mark.parametrize("kind", ["onnx", "keras", "tflite"])
def test_one_score_teaches_two_classes(kind: str, sigmoid: bool, tmp_path: Path) -> None:
    path = written(tmp_path, kind, sigmoid=sigmoid)
    teacher = open_teacher(path, config(sigmoid=sigmoid), data())
    given = answers(teacher, data())
    assert given.shape == (len(data()[Split.VAL]), 2)
    np.testing.assert_allclose(given[:, 1:] - given[:, :1], score(), atol=1e-3)
    assert require_teaches(teacher, data()).top1 > 0.9


def test_what_is_exported_and_measured_gives_the_same(tmp_path: Path) -> None:
    from targets.formats.onnx import qdq

    images = data()[Split.VAL].raw
    for kind in ("keras", "onnx"):
        path = written(tmp_path, kind, sigmoid=True)
        teacher = open_teacher(path, config(sigmoid=True), data())
        if teacher.serve_raw is not None:
            path = tmp_path / "exported.onnx"
            qdq.export_float(teacher.serve_raw, raw_input(data().input), path)
        measured = logits_of(path, "onnx", images, tmp_path, adapter=teacher.adapter)
        np.testing.assert_allclose(measured, teacher.logits(images), atol=1e-4)


def test_a_probability_for_a_logit_is_refused_and_the_reverse(tmp_path: Path) -> None:
    path = written(tmp_path, "onnx", sigmoid=True)
    with pytest.raises(InputError, match=r"one score from 0 to 1.*Set teacher\.output"):
        require_teaches(open_teacher(path, config(sigmoid=False), data()), data())
    path = written(tmp_path, "onnx", sigmoid=False)
    with pytest.raises(InputError, match="do not sum to 1"):
        require_teaches(open_teacher(path, config(sigmoid=True), data()), data())


def test_a_score_of_the_first_class_is_known_by_its_order(tmp_path: Path) -> None:
    path = written(tmp_path, "onnx", sigmoid=True)
    turned = Dataset(
        name="two",
        classes=("down", "across"),
        splits={
            part: Samples(raw=samples.raw, labels=1 - samples.labels)
            for part, samples in data().splits.items()
        },
        sha256="3" * 64,
    )
    with pytest.raises(InputError, match=r'another order: .*\["across", "down"\]'):
        require_teaches(open_teacher(path, config(sigmoid=True), turned), turned)
    named = config(sigmoid=True).model_copy(update={"classes": ("across", "down")})
    assert require_teaches(open_teacher(path, named, turned), turned).top1 > 0.9


def test_a_sigmoid_that_rounds_to_1_stays_a_number() -> None:
    sure = ModelIO(shape=(1,), output="probabilities").logits(np.array([[1.0], [0.0]], np.float32))
    assert np.isfinite(sure).all()
    np.testing.assert_allclose(sure[0], [np.log(2.0**-24), 0])


def test_a_quantized_sigmoid_gives_probabilities_though_its_largest_is_above_1() -> None:
    scores = np.array([[0.0], [255 * 0.003922]], np.float32)
    assert scores.max() > 1
    found = description.reading(scores, image_input(8, 8, 1))
    assert found is not None
    assert found.output == "probabilities"
