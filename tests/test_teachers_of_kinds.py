"""Teacher files of sounds, texts and arrays: the raw sample goes in, or one paragraph comes out."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper
from tf_keras import Model, Sequential, layers

from pipeline import datasets
from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.schema import DatasetConfig
from pipeline.teachers import open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.teachers.contract import OpenTeacher, TeacherFileConfig, raw_input
from pipeline.teachers.logits_file import save_logits
from targets.bench.plan import logits_of
from targets.errors import InputError
from targets.formats import FORMATS
from targets.formats.contract import ExportContext, ServingFunction
from targets.quiet import quiet_stderr
from targets.untyped import KerasModel

NAMES = ("vowels", "commands", "gestures")
SCALE = {"vowels": 2.0**-15, "commands": 1.0, "gestures": 0.5}


@cache
def data_of(name: str) -> Dataset:
    samples = {"vowels": 160, "commands": 300, "gestures": 140}[name]
    return datasets.load(DatasetConfig.model_validate({"name": name, "samples": samples}))


@pytest.fixture(params=NAMES)
def data(request: pytest.FixtureRequest) -> Dataset:
    return data_of(str(request.param))


@cache
def network(name: str) -> KerasModel:
    """The mean of vectors of tokens, or a layer over all values."""
    tf.keras.utils.set_random_seed(0)
    data = data_of(name)
    if name == "commands":
        source = layers.Input(data.input.shape, dtype="int32")
        vectors = layers.Embedding(max(256, data.input.vocabulary or 0), 4)(source)
        x = layers.GlobalAveragePooling1D()(vectors)
    else:
        source = layers.Input(data.input.shape)
        x = layers.Flatten()(source)
    return Model(source, layers.Dense(len(data.classes))(x))


def saved(name: str, path: Path) -> Path:
    if path.suffix == ".keras":
        network(name).save(path)
        return path
    converter = tf.lite.TFLiteConverter.from_keras_model(network(name))
    with quiet_stderr():
        path.write_bytes(converter.convert())
    return path


def opened(path: Path, data: Dataset, **keys: object) -> OpenTeacher:
    return open_teacher(path, TeacherFileConfig.model_validate(keys), data)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["keras", "tflite"])
def test_a_network_gets_the_raw_samples(name: str, suffix: str, tmp_path: Path) -> None:
    data = data_of(name)
    raw = np.asarray(data[Split.VAL].raw[:9])
    teacher = opened(saved(name, tmp_path / f"a.{suffix}"), data, scale=SCALE[name])
    values = raw if name == "commands" else raw.astype(np.float32) * np.float32(SCALE[name])
    np.testing.assert_allclose(teacher.logits(raw), network(name)(values), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_keras_network_is_exported_as_it_takes_the_samples(
    data: Dataset, kind: str, tmp_path: Path
) -> None:
    teacher = opened(saved(data.name, tmp_path / "a.keras"), data, scale=SCALE[data.name])
    assert teacher.serve_raw is not None
    function = ServingFunction(input=raw_input(data.input), call=teacher.serve_raw)
    raw, path = np.asarray(data[Split.VAL].raw[:300]), tmp_path / f"teacher.{kind}"
    context = ExportContext(samples=raw, scratch=tmp_path)
    FORMATS[kind].export(function, "float32", path, context=context)
    found = logits_of(path, kind, raw[:9], tmp_path)
    np.testing.assert_allclose(found, teacher.logits(raw[:9]), rtol=1e-4, atol=1e-5)


def bags(path: Path, data: Dataset, kind: int = TensorProto.INT64) -> npt.NDArray[np.float32]:
    """An .onnx file that sums a row of scores for each token, and its table."""
    table = np.random.default_rng(0).normal(size=(data.input.vocabulary or 0, len(data.classes)))
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axes"], ["scores"], keepdims=0),
    ]
    shape = [1, *data.input.shape]
    graph = helper.make_graph(
        nodes,
        "bags",
        [helper.make_tensor_value_info("tokens", kind, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(data.classes)])],
        [
            numpy_helper.from_array(table.astype(np.float32), "table"),
            numpy_helper.from_array(np.array([1]), "axes"),
        ],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return table.astype(np.float32)


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64])
def test_an_onnx_network_gets_the_numbers_of_tokens(kind: int, tmp_path: Path) -> None:
    data = data_of("commands")
    table = bags(tmp_path / "a.onnx", data, kind)
    raw = np.asarray(data[Split.TEST].raw[:9])
    found = opened(tmp_path / "a.onnx", data).logits(raw)
    np.testing.assert_allclose(found, table[raw].sum(axis=1), atol=1e-4)
    with pytest.raises(InputError, match=r"teacher\.scale and teacher\.offset are for values"):
        opened(tmp_path / "a.onnx", data, scale=0.5)
    with pytest.raises(
        InputError, match=r"no better than chance.*another task than this data"
    ) as no:
        require_teaches(opened(tmp_path / "a.onnx", data), data)
    assert "colour" not in str(no.value)


def test_logits_teach_data_of_every_kind(data: Dataset, tmp_path: Path) -> None:
    rows = {split.value: 9 * np.eye(len(data.classes))[data[split].labels] for split in Split}
    logits = {name: one.astype(np.float32) for name, one in rows.items()}
    save_logits(tmp_path / "a.npz", data=data, **logits)
    teacher = opened(tmp_path / "a.npz", data)
    np.testing.assert_array_equal(teacher.logits(data[Split.VAL].raw[:5]), logits["val"][:5])
    assert require_teaches(teacher, data).top1 == 1


def other_shape(data: Dataset) -> KerasModel:
    shape = (3, *data.input.shape[1:])
    return Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(len(data.classes))])


def pixels(data: Dataset) -> KerasModel:
    return Sequential(
        [layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(len(data.classes))]
    )


@pytest.mark.parametrize("wrong", [other_shape, pixels])
def test_a_network_of_another_input_is_refused_with_what_it_would_get(
    data: Dataset, wrong: Callable[[Dataset], KerasModel], tmp_path: Path
) -> None:
    wrong(data).save(tmp_path / "a.keras")
    with pytest.raises(InputError, match=r"takes samples of .* and the data set's") as error:
        opened(tmp_path / "a.keras", data)
    said = str(error.value)
    assert f"{data.words.many} are" in said
    assert str(list(data.input.shape)) in said
    assert "save its logits as .npz" in said


def test_a_network_of_words_with_an_input_of_floats_is_refused(tmp_path: Path) -> None:
    data = data_of("commands")
    bags(tmp_path / "a.onnx", data)
    model = onnx.load(tmp_path / "a.onnx")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.node.insert(0, helper.make_node("Cast", ["tokens"], ["cast"], to=TensorProto.INT64))
    model.graph.node[1].input[1] = "cast"
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match="an input of int32 or int64 is needed"):
        opened(tmp_path / "a.onnx", data)
