"""Any network that yields logits can teach, and one that knows nothing is told why."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.datasets.splits import Dataset, Samples, Split, three_way
from pipeline.recipe import TeacherConfig
from pipeline.teachers import SOURCES, SUFFIXES, file_sha256, kind_of, logits_file, open_teacher
from pipeline.teachers.check import best_order, require_teaches
from pipeline.teachers.source import OpenTeacher, raw_input, split_logits
from targets.bench.protocol import logits_of
from targets.errors import InputError
from tests.conftest import stripes

Array = npt.NDArray[Any]

TO_1 = TeacherConfig(scale=1 / 255)
"""What the teachers below were made for."""


def fitted(features: Array, labels: Array) -> tuple[Array, Array]:
    """Weights and bias of the linear classifier of least squares: a teacher in no time."""
    ones = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    wanted = 4 * np.eye(labels.max() + 1)[labels] - 2
    solved = np.linalg.solve(ones.T @ ones + np.eye(ones.shape[1]), ones.T @ wanted)
    return solved[:-1].astype(np.float32), solved[-1].astype(np.float32)


def linear(data: Dataset) -> tuple[Array, Array]:
    train = data[Split.TRAIN]
    return fitted(train.images.reshape(len(train), -1) / 255.0, train.labels)


@pytest.fixture(scope="module")
def colours() -> Dataset:
    """The stripes in three different channels, of a height that is not the width."""
    arrays = stripes(samples=180)
    grey = arrays["images"][:, :10]
    images = np.stack([grey, 255 - grey, np.full_like(grey, 40)], axis=-1)
    samples = Samples(images=images, labels=arrays["labels"])
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
    """A linear classifier of pixels from 0 to 1, which saturate there, as somebody would export it.

    `columns` are the data set's classes in the order of its outputs.
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
        nodes.append(helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0))
        outputs.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, [dims[0]]))
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
    """What every faithful copy of the linear teacher gives."""
    weights, bias = linear(data)
    result: Array = data[split].images.reshape(len(data[split]), -1) / 255.0 @ weights + bias
    return result


def answers(teacher: OpenTeacher, data: Dataset) -> Array:
    return teacher.logits(data[Split.VAL].images)


# What can teach


def test_every_suffix_has_a_source_that_opens_files() -> None:
    from importlib import import_module

    assert set(SUFFIXES.values()) | {"saved_model"} == set(SOURCES)
    for module in SOURCES.values():
        assert callable(import_module(module).open_file)


def test_a_file_is_known_by_its_name(tmp_path: Path) -> None:
    for suffix, kind in SUFFIXES.items():
        (tmp_path / f"net{suffix}").touch()
        assert kind_of(tmp_path / f"net{suffix}") == kind
    (tmp_path / "net.pt").touch()
    with pytest.raises(InputError, match=r"unknown kind of file\. Known: \.keras, .*\.npz"):
        kind_of(tmp_path / "net.pt")
    with pytest.raises(InputError, match="not there"):
        kind_of(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"without saved_model\.pb"):
        kind_of(tmp_path)


def test_the_digest_of_a_folder_is_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_text("1")
    before = file_sha256(tmp_path / "a")
    (tmp_path / "a" / "weights").write_text("2")
    assert file_sha256(tmp_path / "a") != before


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
    features = lstm.predict(train.images / np.float32(255), verbose=0)
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
    wanted = recurrent(val.images / np.float32(255)).numpy()
    np.testing.assert_allclose(answers(teacher, stripes_data), wanted, atol=1e-5)
    assert require_teaches(teacher, stripes_data).top1 > 0.8
    assert teacher.parameters == recurrent.count_params()
    spec, raw = stripes_data.input, tf.constant(val.images, tf.float32)
    normalised = (raw - spec.zero_point) * spec.scale
    assert teacher.serve is not None
    np.testing.assert_allclose(teacher.serve(normalised), wanted, atol=1e-5)


def test_a_recurrent_tflite_forgets_the_sample_before(
    recurrent: Any, stripes_data: Dataset, tmp_path: Path
) -> None:
    """TFLite keeps an LSTM's state from call to call: here, and in the process that measures."""
    from targets.formats import tflite

    recurrent.save(tmp_path / "net.keras")
    teacher = open_teacher(tmp_path / "net.keras", TO_1, stripes_data)
    assert teacher.serve_raw is not None
    path = tmp_path / "net.tflite"
    tflite.export_float(teacher.serve_raw, raw_input(stripes_data.input), path)
    wanted = answers(teacher, stripes_data)
    images = stripes_data[Split.VAL].images
    np.testing.assert_allclose(logits_of(path, "tflite", images, tmp_path), wanted, atol=1e-4)
    again = open_teacher(path, TeacherConfig(), stripes_data)
    np.testing.assert_allclose(answers(again, stripes_data), wanted, atol=1e-4)


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
    with pytest.raises(InputError, match=r"takes raw uint8 pixels; leave out teacher\.scale"):
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

    from targets.formats import onnx_qdq

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
    onnx_qdq.export_float(teacher.serve_raw, raw_input(stripes_data.input), path)
    images = stripes_data[Split.VAL].images
    np.testing.assert_allclose(logits_of(path, "onnx", images, tmp_path), wanted, atol=1e-4)


def test_the_output_that_is_classes_is_found_among_others(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, label_first=True)
    teacher = open_teacher(path, TO_1, stripes_data)
    images, wanted = stripes_data[Split.VAL].images, expected(stripes_data)
    np.testing.assert_allclose(teacher.logits(images), wanted, atol=1e-4)
    measured = logits_of(path, "onnx", images, tmp_path, adapter=teacher.adapter)
    np.testing.assert_allclose(measured, wanted, atol=1e-4)


def tflite_file(path: Path, data: Dataset, *, dtype: str | None) -> Path:
    """The linear teacher of pixels from 0 to 1; quantized with integer ends where `dtype` is."""
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
        train = data[Split.TRAIN].images.astype(np.float32) / np.float32(255)
        converter.representative_dataset = lambda: ([train[i : i + 1]] for i in range(100))
    path.write_bytes(converter.convert())
    return path


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
    images = stripes_data[Split.VAL].images
    measured = logits_of(path, kind, images, tmp_path, adapter=teacher.adapter)
    np.testing.assert_allclose(measured, teacher.logits(images), atol=1e-5)


# What cannot be opened


def test_other_images_and_other_classes_are_refused(colours: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", colours)
    grey = replace(
        colours,
        splits={
            part: Samples(images=samples.images[..., :1], labels=samples.labels)
            for part, samples in colours.splits.items()
        },
    )
    with pytest.raises(InputError, match=r"takes images of \[10, 12, 3\], .* \[10, 12, 1\]"):
        open_teacher(path, TO_1, grey)
    more = replace(colours, classes=("across", "down", "slanted", "dotted"))
    with pytest.raises(InputError, match=r"gives \[1, 3\] for one image.* 4 classes"):
        open_teacher(path, TO_1, more)


def test_sizes_left_open_that_fit_both_layouts_are_ambiguous(
    colours: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", colours, dims=("n", "a", "b", "c"))
    with pytest.raises(InputError, match=r"\[\?, \?, \?\], which can be channels first or last"):
        open_teacher(path, TO_1, colours)


def test_a_fixed_batch_is_refused(stripes_data: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, dims=(32, 12, 12, 1))
    with pytest.raises(InputError, match="takes 32 images at once"):
        open_teacher(path, TO_1, stripes_data)


def test_weights_in_other_files_are_told_with_the_remedy(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    model = onnx.load(onnx_file(tmp_path / "t.onnx", stripes_data))
    onnx.save_model(model, tmp_path / "two.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(InputError, match=r"weights are in files beside it\. Write one file"):
        open_teacher(tmp_path / "two.onnx", TO_1, stripes_data)


def test_operators_of_ones_own_are_named(stripes_data: Dataset, tmp_path: Path) -> None:
    model = onnx.load(onnx_file(tmp_path / "t.onnx", stripes_data))
    model.graph.node[0].op_type, model.graph.node[0].domain = "Sharpen", "my.lab"
    model.opset_import.append(helper.make_opsetid("my.lab", 1))
    onnx.save(model, tmp_path / "t.onnx")
    with pytest.raises(InputError, match=r"only a library of your own can run: my\.lab\.Sharpen"):
        open_teacher(tmp_path / "t.onnx", TO_1, stripes_data)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@pytest.mark.parametrize("content", [b"", b"no network", b"\x1c\0\0\0TFL3" + bytes(99)], ids=len)
def test_a_file_that_is_no_network_is_one_clear_error(
    suffix: str, content: bytes, stripes_data: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"broken\{suffix}: "):
        open_teacher(path, TeacherConfig(), stripes_data)


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        (("across", "down", "slant"), r"unknown class 'slant'; did you mean 'slanted'\?"),
        (("across", "down"), "2 names, and the data set has 3 classes.* Left out: slanted"),
        (("across", "down", "down"), "3 names.* Left out: slanted"),
    ],
)
def test_classes_that_are_not_the_data_sets_are_refused(
    classes: tuple[str, ...], why: str, stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data)
    cfg = TO_1.model_copy(update={"classes": classes})
    with pytest.raises(InputError, match=rf"teacher\.classes: .*{why}"):
        open_teacher(path, cfg, stripes_data)


# What knows nothing


def test_the_label_order_is_named_and_what_is_said_helps(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, columns=(1, 2, 0))
    with pytest.raises(InputError, match=r'another order: .*\["down", "slanted", "across"\]'):
        require_teaches(open_teacher(path, TO_1, stripes_data), stripes_data)
    wrong = TO_1.model_copy(update={"classes": ("slanted", "down", "across")})
    with pytest.raises(InputError, match=r'Correct .*\["down", "slanted", "across"\]'):
        require_teaches(open_teacher(path, wrong, stripes_data), stripes_data)
    right = TO_1.model_copy(update={"classes": ("down", "slanted", "across")})
    assert require_teaches(open_teacher(path, right, stripes_data), stripes_data).top1 > 0.9


def test_two_exchanged_classes_are_noticed_above_chance(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    many = stripes(samples=1200)
    samples = Samples(images=many["images"][..., None], labels=many["labels"])
    data = replace(
        stripes_data,
        splits=three_way(samples, validation=0.5, test=0.25, seed=0, name="stripes"),
    )
    path = onnx_file(tmp_path / "t.onnx", data, columns=(0, 2, 1))
    with pytest.raises(InputError, match=r'right for 3\d\.\d % .*\["across", "slanted", "down"\]'):
        require_teaches(open_teacher(path, TO_1, data), data)


def test_the_normalisation_is_named_and_what_is_said_helps(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data)
    with pytest.raises(InputError, match=r"no better than chance: right for \d") as error:
        require_teaches(open_teacher(path, TeacherConfig(), stripes_data), stripes_data)
    said = "It is the normalisation: given pixels from 0 to 1 it is right for"
    assert said in str(error.value)
    assert "Set teacher.scale = 0.00392156863 and teacher.offset = 0." in str(error.value)


def test_a_network_that_learnt_nothing_gets_all_the_likely_causes(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    noise = replace(
        stripes_data,
        splits={
            part: Samples(
                images=samples.images, labels=random.permutation(samples.labels).astype(np.int64)
            )
            for part, samples in stripes_data.splits.items()
        },
    )
    teacher = open_teacher(onnx_file(tmp_path / "t.onnx", stripes_data), TO_1, noise)
    causes = r"chance.*label order .*teacher\.classes.*normalisation.*channels"
    with pytest.raises(InputError, match=causes):
        require_teaches(teacher, noise)


def test_probabilities_taken_for_logits_and_the_reverse_are_told(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    soft = onnx_file(tmp_path / "soft.onnx", stripes_data, softmax=True)
    with pytest.raises(InputError, match=r'gives probabilities .* Set teacher.output = "prob'):
        require_teaches(open_teacher(soft, TO_1, stripes_data), stripes_data)
    hard = onnx_file(tmp_path / "hard.onnx", stripes_data)
    cfg = TO_1.model_copy(update={"output": "probabilities"})
    with pytest.raises(InputError, match="do not sum to 1"):
        require_teaches(open_teacher(hard, cfg, stripes_data), stripes_data)


def test_nan_from_a_teacher_is_an_error_of_its_own(stripes_data: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data)
    cfg = TeacherConfig.model_construct(**{**dict(TO_1), "scale": float("nan")})
    with pytest.raises(InputError, match=r"gives NaN or infinity for \d+ of \d+ validation"):
        require_teaches(open_teacher(path, cfg, stripes_data), stripes_data)


def test_the_best_order_takes_each_output_once() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    predicted = np.array([1, 1, 1, 1, 1, 0, 2, 2, 0])
    assert best_order(np.eye(3)[predicted].astype(np.float32), labels) == [1, 0, 2]


# Precomputed logits


@pytest.fixture
def stored(stripes_data: Dataset, tmp_path: Path) -> Path:
    of = {part.value: expected(stripes_data, part) for part in Split}
    logits_file.save_logits(tmp_path / "logits.npz", data=stripes_data, **of)
    return tmp_path / "logits.npz"


def test_precomputed_logits_teach_by_split_and_by_image(
    stored: Path, stripes_data: Dataset
) -> None:
    teacher = open_teacher(stored, TeacherConfig(), stripes_data)
    require_teaches(teacher, stripes_data)
    for part in Split:
        wanted = expected(stripes_data, part).astype(np.float32)
        by_split = split_logits(teacher, stripes_data, part)
        assert by_split is not None
        np.testing.assert_array_equal(by_split, wanted)
        backwards = teacher.logits(stripes_data[part].images[::-1])
        np.testing.assert_array_equal(backwards[::-1], wanted)
    images = stripes_data[Split.VAL].images[:3].copy()
    images[1:] //= 2
    with pytest.raises(InputError, match=r"no logits for 2 of 3 images.*views\.shift = 0"):
        teacher.logits(images)


def test_without_test_logits_the_rest_still_teaches(stripes_data: Dataset, tmp_path: Path) -> None:
    of = {part.value: expected(stripes_data, part) for part in (Split.TRAIN, Split.VAL)}
    logits_file.save_logits(tmp_path / "logits.npz", data=stripes_data, **of)
    teacher = open_teacher(tmp_path / "logits.npz", TeacherConfig(), stripes_data)
    require_teaches(teacher, stripes_data)
    assert split_logits(teacher, stripes_data, Split.TEST) is None


def test_precomputed_logits_follow_the_class_list(stripes_data: Dataset, tmp_path: Path) -> None:
    of = {part.value: expected(stripes_data, part)[:, [1, 2, 0]] for part in Split}
    logits_file.save_logits(tmp_path / "logits.npz", data=stripes_data, **of)
    cfg = TeacherConfig(classes=("down", "slanted", "across"))
    require_teaches(open_teacher(tmp_path / "logits.npz", cfg, stripes_data), stripes_data)


def test_logits_of_another_split_are_refused(stored: Path, stripes_data: Dataset) -> None:
    arrays = stripes()
    samples = Samples(images=arrays["images"][..., None], labels=arrays["labels"])
    other = replace(
        stripes_data, splits=three_way(samples, validation=0.15, test=0.25, seed=1, name="stripes")
    )
    with pytest.raises(InputError, match=r"computed for another split .*dataset\.split_seed"):
        open_teacher(stored, TeacherConfig(), other)


def changed(path: Path, **arrays: Any) -> Path:
    with np.load(path) as file:
        np.savez(path, **{**dict(file), **arrays})
    return path


def test_damaged_logits_are_refused_each_with_its_reason(
    stored: Path, stripes_data: Dataset
) -> None:
    def refused(match: str, **arrays: Any) -> None:
        with pytest.raises(InputError, match=match):
            open_teacher(changed(stored, **arrays), TeacherConfig(), stripes_data)

    good = expected(stripes_data)
    bad = good.copy()
    bad[5, 1] = np.inf
    refused(r"'val' holds NaN or infinity in 1 of \d+ rows, first in row 5", val=bad)
    refused(r"'val' must be floats \[36, 3\], .* not float64 \[35, 3\]", val=good[1:])
    refused(r"'val' must be floats", val=good.argmax(axis=1))
    refused("holds Python objects, which would run code", val=np.array([{}], object))
    with pytest.raises(InputError, match=r"'train' must be floats"):
        logits_file.save_logits(stored, data=stripes_data, train=good, val=good)
    with pytest.raises(InputError, match=r"leave out teacher\.scale"):
        open_teacher(stored, TO_1, stripes_data)


def test_the_documented_lines_write_logits_that_teach(
    tmp_path: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        f'name = "mine"\n[dataset]\nname = "npz"\npath = "{data_file}"\n', encoding="utf-8"
    )
    documented = [
        line[4:] for line in (logits_file.__doc__ or "").splitlines() if line[:4] == "    "
    ]
    assert len(documented) == 6
    assert documented.pop(0).startswith("network = ")
    scope: dict[str, Any] = {"network": lambda images: images.reshape(len(images), -1)[:, :3] / 255}
    exec("\n".join(documented), scope)
    teacher = open_teacher(Path("teacher.npz"), TeacherConfig(), scope["data"])
    assert teacher.splits is not None
    assert set(teacher.splits) == set(Split)
