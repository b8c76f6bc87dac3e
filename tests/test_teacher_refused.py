"""A teacher that cannot be used is refused before anything trains, with the remedy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.datasets.splits import Dataset, Samples
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import TEACHER_FILES, open_teacher
from pipeline.teachers.matching import layout_of
from pipeline.teachers.networks.untrusted import refuse_code
from targets.errors import InputError
from tests.teacher_files import TO_1, coloured, onnx_file


@pytest.fixture
def colours() -> Dataset:
    return coloured()


def test_other_images_and_other_classes_are_refused(colours: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", colours)
    grey = replace(
        colours,
        splits={
            part: Samples(raw=samples.raw[..., :1], labels=samples.labels)
            for part, samples in colours.splits.items()
        },
    )
    with pytest.raises(InputError, match=r"takes images of \[10, 12, 3\], .* \[10, 12, 1\]"):
        open_teacher(path, TO_1, grey)
    more = replace(colours, classes=("across", "down", "slanted", "dotted"))
    with pytest.raises(InputError, match=r"gives \[1, 3\] for one image.* 4 classes"):
        open_teacher(path, TO_1, more)


@pytest.mark.parametrize(
    ("dims", "way"),
    [
        (
            (20, 24, 3),
            r"its size \(--set teacher\.size=24, or dataset\.size=24 .*\), or save its log",
        ),
        ((3, 20, 24), r"teacher\.size=24"),
        ((20, 20, 3), r"channels first or last; or save its logits as \.npz"),
        ((10, 12), r"or save its logits"),
    ],
)
def test_images_of_another_size_get_the_ways_to_fit(dims: Any, way: str) -> None:
    with pytest.raises(InputError, match=way):
        layout_of(dims, (10, 12, 3), Path("t.onnx"))


def test_grey_images_can_get_the_channels_of_a_network() -> None:
    with pytest.raises(InputError, match="save the grey images with 3 channels") as error:
        layout_of((3, 12, 12), (12, 12, 1), Path("t.onnx"))
    line = str(error.value).split("`images = ")[1].split("`")[0]
    grey = np.zeros((5, 12, 12), np.uint8)
    assert eval(line, {"np": np, "images": grey}).shape == (5, 12, 12, 3)


@pytest.mark.parametrize(
    ("classes", "way"),
    [
        (("across", "down"), r"\(`scores\[:, 1:\]` where the first is a background\)"),
        (("a", "b", "c", "d"), "a network that was trained on these classes"),
    ],
)
def test_a_network_of_other_classes_gets_the_way_to_use_it(
    classes: tuple[str, ...], way: str, colours: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", colours)
    with pytest.raises(InputError, match=rf"gives \[1, 3\] .*{len(classes)} classes.*{way}"):
        open_teacher(path, TO_1, replace(colours, classes=classes))


def test_a_keras_network_of_other_classes_gets_the_same(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    import tf_keras

    layers = [tf_keras.layers.Input((12, 12, 1)), tf_keras.layers.Flatten()]
    tf_keras.Sequential([*layers, tf_keras.layers.Dense(9)]).save(tmp_path / "net.keras")
    with pytest.raises(InputError, match=r"gives 9 scores .* 3 classes .* keep their columns"):
        open_teacher(tmp_path / "net.keras", TO_1, stripes_data)


def test_sizes_left_open_that_fit_both_layouts_are_ambiguous(
    colours: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", colours, dims=("n", "a", "b", "c"))
    with pytest.raises(InputError, match=r"\[\?, \?, \?\], which fits channels first and last"):
        open_teacher(path, TO_1, colours)


def test_a_fixed_batch_is_refused(stripes_data: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, dims=(32, 12, 12, 1))
    with pytest.raises(InputError, match="takes 32 samples at once"):
        open_teacher(path, TO_1, stripes_data)


def test_weights_in_other_files_are_refused_with_the_remedy(
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
    with pytest.raises(InputError, match=r"that ONNX Runtime does not have: my\.lab\.Sharpen"):
        open_teacher(tmp_path / "t.onnx", TO_1, stripes_data)


def test_operators_that_litert_lacks_are_named(stripes_data: Dataset, tmp_path: Path) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, 12, 12, 1], tf.float32)])
    def net(image: Any) -> Any:
        return tf.linalg.det(tf.reshape(image, [1, 1, 12, 12])) * tf.ones([1, 3])

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()], net)
    known = tf.lite.OpsSet
    converter.target_spec.supported_ops = [known.TFLITE_BUILTINS, known.SELECT_TF_OPS]
    path = tmp_path / "t.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(InputError, match=r"an operator that LiteRT does not have: FlexMatrixDet"):
        open_teacher(path, TO_1, stripes_data)


@pytest.mark.parametrize("suffix", [s for kind in TEACHER_FILES.values() for s in kind.SUFFIXES])
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


def test_a_function_of_python_in_the_place_of_an_activation_is_refused() -> None:
    """Keras looks a name that it does not know up in Python's own module, and calls it."""
    activation = {"module": "builtins", "class_name": "function", "config": "breakpoint"}
    layer = {"class_name": "Dense", "module": "keras.layers", "config": {"activation": activation}}
    with pytest.raises(InputError, match="'breakpoint' is no activation of Keras"):
        refuse_code({"class_name": "Functional", "config": {"layers": [layer]}}, Path("x.keras"))
    activation["config"] = "relu"
    refuse_code({"class_name": "Functional", "config": {"layers": [layer]}}, Path("x.keras"))
