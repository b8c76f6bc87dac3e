"""Networks of other types than float32: integer inputs, mixed and double precision."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import open_teacher
from pipeline.teachers.loading import load_network
from targets.bench.plan import logits_of
from targets.errors import ProofError
from targets.formats.tflite import inspect as inspect_tflite
from tests.foreign import (
    IMAGES,
    RAW,
    classifier,
    exported,
    library,
    linear,
    pixels,
    refused,
    signatures,
)
from tests.test_convert_command import convert


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=IMAGES)
    return path


# Integer inputs


@pytest.mark.parametrize(
    ("name", "dtype", "suffix"),
    [
        ("keras", "uint8", ".keras"),
        ("tf_keras", "int32", ".keras"),
        ("tf_keras", "uint8", ".h5"),
        ("keras", "uint8", "_saved"),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_integer_input_is_given_raw_bytes_and_leaves_no_cast(
    tmp_path: Path, data: Path, name: str, dtype: str, suffix: str
) -> None:
    model = classifier(library(name), dtype=dtype)
    path = tmp_path / f"net{suffix}"
    exported(model, path) if suffix == "_saved" else model.save(path)
    document = convert(path, tmp_path / "out", data=data, **RAW)
    expected = np.asarray(model(IMAGES.astype(dtype)))
    for file in document["files"]:
        actual = logits_of(tmp_path / "out" / file["file"], "tflite", IMAGES, tmp_path)
        within = 1e-4 if file["precision"] == "float32" else 0.05
        assert np.abs(actual - expected).max() <= within * np.abs(expected).max()
    int8 = next(file for file in document["files"] if file["precision"] == "int8_ptq")
    assert int8["float_ops"] == 0
    assert inspect_tflite.inspect(tmp_path / "out" / int8["file"]).input_dtype == "UINT8"
    scaled = {"data": data, "scale": 1 / 255, "offset": 0.0}
    refused(lambda: convert(path, tmp_path / "other", **scaled), f"takes {dtype} pixels as they")


def test_a_network_that_calculates_with_integers_is_float32_only(
    tmp_path: Path, data: Path, stripes_data: Dataset
) -> None:
    halved = {"serving_default": (lambda image: linear(image // 2), pixels("int32"))}
    path = signatures(tmp_path / "halved", halved)
    document = convert(path, tmp_path / "out", data=data, precisions=("float32",), **RAW)
    assert document["files"][0]["agreement"] == 1.0
    with pytest.raises(ProofError, match="takes int32 and calculates with integers"):
        convert(path, tmp_path / "int8", data=data, precisions=("int8_ptq",), **RAW)


def test_a_teacher_with_an_integer_input_is_given_raw_bytes(
    tmp_path: Path, stripes_data: Dataset
) -> None:
    import tensorflow as tf

    wanted = tf.TensorSpec([None, 12, 12, 1], tf.uint8)

    def sums(images: Any) -> Any:
        return {"scores": tf.reduce_sum(tf.cast(images, tf.float32), axis=[1, 3])[:, :3]}

    path = signatures(tmp_path / "net", {"serving_default": (sums, wanted)})
    images = next(iter(stripes_data.splits.values())).raw
    teacher = open_teacher(path, TeacherConfig(), stripes_data)
    expected = images.astype(np.float32).sum(axis=(1, 3))[:, :3]
    np.testing.assert_array_equal(teacher.logits(images), expected)
    assert not teacher.scalable
    refused(
        lambda: open_teacher(path, TeacherConfig(scale=1 / 255), stripes_data),
        "takes raw uint8 values; leave out teacher.scale",
    )


def test_a_type_that_cannot_hold_a_raw_pixel_is_refused(tmp_path: Path) -> None:
    path = signatures(tmp_path / "net", {"serving_default": (linear, pixels("int8"))})
    refused(lambda: load_network(path), "takes int8, which cannot hold raw pixels")


# Mixed precision


@pytest.mark.parametrize(
    ("name", "policy"),
    [("keras", "mixed_float16"), ("keras", "mixed_bfloat16"), ("tf_keras", "mixed_float16")],
)
def test_mixed_precision_is_calculated_in_float32(
    tmp_path: Path, data: Path, name: str, policy: str
) -> None:
    k = library(name)
    setter = (
        k.mixed_precision.set_global_policy if name == "tf_keras" else k.config.set_dtype_policy
    )
    setter(policy)
    try:
        model = classifier(k)
    finally:
        setter("float32")
    model.save(tmp_path / "net.keras")
    plain = classifier(k)
    plain.set_weights(model.get_weights())
    network = load_network(tmp_path / "net.keras")
    real = IMAGES.astype(np.float32)
    np.testing.assert_allclose(np.asarray(network(real)), np.asarray(plain(real)), atol=1e-6)
    document = convert(tmp_path / "net.keras", tmp_path / "out", data=data, **RAW)
    assert len(document["files"]) == 2
    assert "mixed or double precision" in document["model"]["changes"][0]
    if name == "keras":
        refused(
            lambda: load_network(exported(model, tmp_path / "saved")), "(mixed precision)", "MatMul"
        )


def test_double_precision_is_calculated_in_float32(tmp_path: Path) -> None:
    k = library("keras")
    dense = k.layers.Dense(3, dtype="float64")
    k.Sequential([k.Input((8,), dtype="float64"), dense]).save(tmp_path / "net.keras")
    document = convert(tmp_path / "net.keras", tmp_path / "out", **RAW)
    assert "double precision" in document["model"]["changes"][0]


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_network_quantized_by_keras_is_refused(tmp_path: Path) -> None:
    model = classifier(library("keras"))
    model.quantize("int8")
    model.save(tmp_path / "net.keras")
    refused(lambda: load_network(tmp_path / "net.keras"), "was quantized by Keras", "float network")


def test_the_error_of_a_saved_model_of_tensorflow_1_shows_the_way(tmp_path: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    weights = v1.constant_initializer(np.arange(192) % 7 - 3.0)
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 8, 8, 1])
        scores = tf.reshape(images, [-1, 64]) @ v1.get_variable("w", [64, 3], initializer=weights)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": images}, {"y": scores})
    refused(lambda: load_network(tmp_path / "1"), "of TensorFlow 1", "signatures=m.signatures")
    again = tf.saved_model.load(str(tmp_path / "1"))
    tf.saved_model.save(again, str(tmp_path / "2"), signatures=again.signatures)
    assert convert(tmp_path / "2", tmp_path / "out", **RAW)["files"][0]["agreement"] == 1.0
