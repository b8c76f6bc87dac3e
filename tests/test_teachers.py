"""Any network that yields logits can teach, whatever framework made it."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import TEACHER_FILES, kind_of, open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.teachers.contract import raw_input
from targets.bench.plan import logits_of
from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.formats.tflite.inspect import inspect
from tests.teacher_files import (
    TO_1,
    answers,
    coloured,
    expected,
    fitted,
    linear,
    onnx_file,
    tflite_file,
)


@pytest.fixture
def colours() -> Dataset:
    return coloured()


def test_a_file_is_known_by_its_name(tmp_path: Path) -> None:
    for kind in TEACHER_FILES:
        for suffix in TEACHER_FILES[kind].SUFFIXES:
            (tmp_path / f"net{suffix.upper()}").touch()
            assert kind_of(tmp_path / f"net{suffix.upper()}") == kind
    for name, message in (("net.bmp", "unknown kind of file"), ("net.pt", r"torch\.onnx\.export")):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=rf"{message}.* Known: \.keras, .*\.npz"):
            kind_of(tmp_path / name)
    with pytest.raises(InputError, match="not there"):
        kind_of(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"without saved_model\.pb"):
        kind_of(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    assert kind_of(tmp_path) == "tensorflow"


def test_the_digest_of_a_folder_is_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_text("1")
    before = file_sha256(tmp_path / "a")
    (tmp_path / "a" / "weights").write_text("2")
    assert file_sha256(tmp_path / "a") != before


def test_the_network_trained_here_teaches_as_its_checkpoint_does(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    import tensorflow as tf
    import tf_keras

    from pipeline.engine.artifacts import Checkpoint
    from pipeline.models.network import NetworkSpec, build, save_weights
    from pipeline.teachers.trained import open_checkpoint

    tf_keras.utils.set_random_seed(0)
    spec = stripes_data.input
    settings = {"widths": [4, 8], "blocks": 1}
    network = NetworkSpec(role="teacher", family="resnet", settings=settings, input=spec, classes=3)
    model = build(network)
    save_weights(model, tmp_path / Checkpoint.WEIGHTS)
    checkpoint = Checkpoint(folder=tmp_path, network=network, parameters=7, macs=1)
    teacher = open_checkpoint(checkpoint, stripes_data)
    normalised = (tf.cast(stripes_data[Split.VAL].raw, tf.float32) - spec.zero_point) * spec.scale
    wanted = model(normalised, training=False).numpy()
    np.testing.assert_allclose(answers(teacher, stripes_data), wanted, atol=1e-5)
    assert teacher.serve is not None
    np.testing.assert_allclose(teacher.serve(normalised), wanted, atol=1e-5)
    assert teacher.parameters == 7
    with pytest.raises(InputError, match="chance"):  # nobody has trained it
        require_teaches(teacher, stripes_data)


@pytest.fixture(scope="module")
def recurrent(stripes_data: Dataset) -> Any:
    """An LSTM over image rows: its own weights random, what reads them fitted."""
    import tf_keras
    from tf_keras import layers

    tf_keras.utils.set_random_seed(0)
    lstm = tf_keras.Sequential(
        [layers.Input((12, 12, 1)), layers.Reshape((12, 12)), layers.LSTM(24)]
    )
    model = tf_keras.Sequential([*lstm.layers, layers.Dense(3)])
    train = stripes_data[Split.TRAIN]
    features = lstm.predict(train.raw / np.float32(255), verbose=0)
    model.build((None, 12, 12, 1))
    model.layers[-1].set_weights(fitted(features, train.labels))
    return model


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "folder"])
def test_a_recurrent_network_can_teach(
    name: str, recurrent: Any, stripes_data: Dataset, tmp_path: Path
) -> None:
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf_keras, about .h5
        recurrent.save(tmp_path / name)
    teacher = open_teacher(tmp_path / name, TO_1, stripes_data)
    val = stripes_data[Split.VAL]
    wanted = recurrent(val.raw / np.float32(255)).numpy()
    np.testing.assert_allclose(answers(teacher, stripes_data), wanted, atol=1e-5)
    assert require_teaches(teacher, stripes_data).top1 > 0.8
    assert teacher.parameters == recurrent.count_params()
    spec, raw = stripes_data.input, tf.constant(val.raw, tf.float32)
    normalised = (raw - spec.zero_point) * spec.scale
    assert teacher.serve is not None
    np.testing.assert_allclose(teacher.serve(normalised), wanted, atol=1e-5)


def test_a_recurrent_network_is_exported_as_what_it_is(
    recurrent: Any, stripes_data: Dataset, tmp_path: Path
) -> None:
    from targets.formats.tflite import export

    recurrent.save(tmp_path / "net.keras")
    teacher = open_teacher(tmp_path / "net.keras", TO_1, stripes_data)
    assert teacher.serve_raw is not None
    path = tmp_path / "net.tflite"
    export.export_float(teacher.serve_raw, raw_input(stripes_data.input), path)
    images = stripes_data[Split.VAL].raw
    wanted = answers(teacher, stripes_data)
    np.testing.assert_allclose(logits_of(path, "tflite", images, tmp_path), wanted, atol=1e-4)


def test_a_recurrent_tflite_forgets_the_sample_before(
    recurrent: Any, stripes_data: Dataset, tmp_path: Path
) -> None:
    """TFLite's LSTM keeps its state from call to call: here, and in the process that measures."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, 12, 12, 1], tf.float32)])
    def net(image: Any) -> Any:
        return recurrent(image, training=False)

    # With the model beside its function the converter finds the LSTM, which our exports unroll.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [net.get_concrete_function()], recurrent
    )
    path = tmp_path / "net.tflite"
    path.write_bytes(converter.convert())
    operators = inspect(path).operators
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in {operator.name for operator in operators}
    teacher = open_teacher(path, TO_1, stripes_data)
    images = stripes_data[Split.VAL].raw
    wanted = recurrent(images / np.float32(255)).numpy()
    np.testing.assert_allclose(teacher.logits(images), wanted, atol=1e-4)
    measured = logits_of(path, "tflite", images, tmp_path, adapter=teacher.adapter)
    np.testing.assert_allclose(measured, wanted, atol=1e-4)


@pytest.mark.parametrize(
    "dims", [(None, 10, 12, 3), ("n", 3, 10, 12), (1, 10, 12, 3), (1, 3, "h", "w")], ids=str
)
def test_an_onnx_teacher_may_have_its_channels_first_or_last(
    dims: Any, colours: Dataset, tmp_path: Path
) -> None:
    teacher = open_teacher(onnx_file(tmp_path / "t.onnx", colours, dims=dims), TO_1, colours)
    np.testing.assert_allclose(answers(teacher, colours), expected(colours), atol=1e-4)
    assert teacher.parameters == 10 * 12 * 3 * 3 + 3
    assert require_teaches(teacher, colours).top1 > 0.9


@pytest.mark.parametrize("dims", [("n", 12, 12), ("n", 144), ("n", 1, 12, 12)], ids=str)
def test_one_channel_is_in_no_order(dims: Any, stripes_data: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, dims=dims)
    teacher = open_teacher(path, TO_1, stripes_data)
    np.testing.assert_allclose(answers(teacher, stripes_data), expected(stripes_data), atol=1e-4)


def test_scale_and_offset_may_differ_by_channel(colours: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", colours, dims=("n", 3, 10, 12))
    cfg = TeacherConfig(scale=(1 / 255, 1 / 255, 0), offset=(0, 0, 40 / 255))
    teacher = open_teacher(path, cfg, colours)  # the third channel is 40 everywhere
    np.testing.assert_allclose(answers(teacher, colours), expected(colours), atol=1e-4)
    with pytest.raises(InputError, match=r"teacher\.scale: 2 values for images of 3 channels"):
        open_teacher(path, TeacherConfig(scale=(1, 1)), colours)


def test_a_teacher_of_raw_pixels_is_given_them(stripes_data: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, uint8=True)
    teacher = open_teacher(path, TeacherConfig(), stripes_data)
    np.testing.assert_allclose(answers(teacher, stripes_data), expected(stripes_data), atol=1e-4)
    with pytest.raises(InputError, match=r"takes raw uint8 values; leave out teacher\.scale"):
        open_teacher(path, TO_1, stripes_data)


def test_probabilities_become_log_p_and_classes_are_matched_by_name(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, columns=(1, 2, 0), softmax=True)
    cfg = TO_1.model_copy(
        update={"output": "probabilities", "classes": ("down", "slanted", "across")}
    )
    wanted = expected(stripes_data)
    log_p = wanted - np.log(np.exp(wanted).sum(axis=1, keepdims=True))
    teacher = open_teacher(path, cfg, stripes_data)
    np.testing.assert_allclose(answers(teacher, stripes_data), log_p, atol=1e-4)
    require_teaches(teacher, stripes_data)


def test_a_keras_teacher_of_probabilities_is_exported_as_logits(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    import tf_keras
    from tf_keras import layers

    from targets.formats.onnx import qdq

    net = tf_keras.Sequential([layers.Input((144,)), layers.Dense(3, activation="softmax")])
    weights, bias = linear(stripes_data)
    net.set_weights([weights[:, [2, 0, 1]], bias[[2, 0, 1]]])
    net.save(tmp_path / "net.keras")
    names = ("slanted", "across", "down")
    cfg = TO_1.model_copy(update={"output": "probabilities", "classes": names})
    teacher = open_teacher(tmp_path / "net.keras", cfg, stripes_data)
    wanted = expected(stripes_data)
    wanted = wanted - np.log(np.exp(wanted).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(answers(teacher, stripes_data), wanted, atol=1e-4)
    assert teacher.serve_raw is not None
    path = tmp_path / "net.onnx"
    qdq.export_float(teacher.serve_raw, raw_input(stripes_data.input), path)
    images = stripes_data[Split.VAL].raw
    np.testing.assert_allclose(logits_of(path, "onnx", images, tmp_path), wanted, atol=1e-4)


def test_the_output_that_is_classes_is_found_among_others(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, label_first=True)
    teacher = open_teacher(path, TO_1, stripes_data)
    images, wanted = stripes_data[Split.VAL].raw, expected(stripes_data)
    np.testing.assert_allclose(teacher.logits(images), wanted, atol=1e-4)
    measured = logits_of(path, "onnx", images, tmp_path, adapter=teacher.adapter)
    np.testing.assert_allclose(measured, wanted, atol=1e-4)


@pytest.mark.parametrize("dtype", [None, "uint8", "int8"])
def test_a_tflite_teacher_is_given_the_type_that_it_takes(
    dtype: str | None, stripes_data: Dataset, tmp_path: Path
) -> None:
    cfg = TO_1.model_copy(update={"output": "probabilities"})
    path = tflite_file(tmp_path / "t.tflite", stripes_data, dtype=dtype)
    teacher = open_teacher(path, cfg, stripes_data)
    given, wanted = answers(teacher, stripes_data), expected(stripes_data)
    wanted = np.exp(wanted) / np.exp(wanted).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(given), wanted, atol=1e-5 if dtype is None else 0.05)
    require_teaches(teacher, stripes_data)
    if dtype == "uint8":  # scale and offset left out: raw pixels, which are what it stores
        raw = open_teacher(path, cfg.model_copy(update={"scale": 1.0}), stripes_data)
        np.testing.assert_allclose(answers(raw, stripes_data), given, atol=0.3)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_what_teaches_and_what_is_measured_give_the_same(
    kind: str, stripes_data: Dataset, tmp_path: Path
) -> None:
    path, cfg = tmp_path / f"t.{kind}", TO_1
    if kind == "tflite":
        tflite_file(path, stripes_data, dtype="int8")
        cfg = TO_1.model_copy(update={"output": "probabilities"})
    else:
        onnx_file(path, stripes_data, dims=("n", 1, 12, 12))
    cfg = cfg.model_copy(update={"classes": ("slanted", "down", "across")})
    teacher = open_teacher(path, cfg, stripes_data)
    images = stripes_data[Split.VAL].raw
    measured = logits_of(path, kind, images, tmp_path, adapter=teacher.adapter)
    np.testing.assert_allclose(measured, teacher.logits(images), atol=1e-5)
