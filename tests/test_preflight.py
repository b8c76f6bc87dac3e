"""The pre-flight refuses what quantize_apply refuses, and nothing else."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tf_keras import layers

from pipeline.engine.artifacts import Checkpoint, TeacherLogits
from pipeline.models import STUDENTS
from pipeline.models.contract import why_no_int8
from pipeline.models.network import NetworkSpec, build
from pipeline.quantization.preflight import (
    problems,
    require_calibratable,
    require_quantizable,
)
from pipeline.quantization.scheme import quantize_per_channel
from pipeline.recipe.load import Override, load
from pipeline.recipe.schema import Recipe
from pipeline.stages import quantize
from targets.errors import InputError
from targets.formats.input_spec import image_input
from tests.conftest import Lane
from tests.kept import Setting, job, kept

IMAGE, SERIES = (8, 8, 3), (8, 4)


def model_of(shape: tuple[int, ...], body: Callable[[Any], Any]) -> Any:
    """`body` between a convolution (or nothing, for a series) and a classifier."""
    image = layers.Input(shape=shape, name="image")
    x = layers.Conv2D(4, 3, name="first")(image) if len(shape) == 3 else image
    x = layers.Flatten(name="flat")(body(x))
    return tf_keras.Model(image, layers.Dense(3, name="logits")(x), name="net")


def conv(**options: Any) -> Any:
    return layers.Conv2D(4, 3, name="suspect", **options)


def pre_activation(x: Any) -> Any:
    x = layers.ReLU(name="relu")(x)
    return layers.BatchNormalization(name="suspect")(x)


def shared_with_a_branch(x: Any) -> Any:
    y = layers.Conv2D(4, 1, name="conv")(x)
    return layers.Add(name="add")([y, layers.BatchNormalization(name="suspect")(y)])


def nested(x: Any) -> Any:
    inside = layers.Input(shape=x.shape[1:], name="inside")
    return tf_keras.Model(inside, layers.ReLU(name="r")(inside), name="suspect")(x)


REFUSED: dict[str, tuple[tuple[int, ...], Callable[[Any], Any], str]] = {
    "Rescaling": (IMAGE, lambda x: layers.Rescaling(0.1, name="suspect")(x), "normalised"),
    "Multiply": (IMAGE, lambda x: layers.Multiply(name="suspect")([x, x]), "squeeze"),
    "TFOpLambda": (IMAGE, lambda x: x * 2.0, "write it with layers"),
    "Lambda": (
        IMAGE,
        lambda x: layers.Lambda(lambda y: y * 2, name="suspect")(x),
        "write it with layers",
    ),
    "BatchNormalization": (IMAGE, pre_activation, "Conv-BN-ReLU"),
    "BatchNormalization, of a layer with a second consumer": (
        IMAGE,
        shared_with_a_branch,
        "Conv-BN-ReLU",
    ),
    "BatchNormalization, of a layer with an activation": (
        IMAGE,
        lambda x: layers.BatchNormalization(name="suspect")(
            layers.Conv2D(4, 1, activation="relu", name="conv")(x)
        ),
        "Conv-BN-ReLU",
    ),
    "Conv1D": (SERIES, lambda x: layers.Conv1D(4, 3, name="suspect")(x), "Conv2D over"),
    "LSTM": (SERIES, lambda x: layers.LSTM(4, name="suspect")(x), "dynamic"),
    "GRU": (SERIES, lambda x: layers.GRU(4, name="suspect")(x), "dynamic"),
    "MultiHeadAttention": (
        SERIES,
        lambda x: layers.MultiHeadAttention(1, 2, name="suspect")(x, x),
        "dynamic",
    ),
    "LayerNormalization": (
        SERIES,
        lambda x: layers.LayerNormalization(name="suspect")(x),
        "BatchNormalization behind",
    ),
    "Functional": (IMAGE, nested, "layers of its own"),
    "Activation(hard_sigmoid)": (
        IMAGE,
        lambda x: layers.Activation(tf_keras.activations.hard_sigmoid, name="suspect")(x),
        "ReLU",
    ),
    "Conv2D(relu6)": (IMAGE, lambda x: conv(activation=tf.nn.relu6)(x), "ReLU"),
}


@pytest.mark.filterwarnings("ignore:Lambda layers are not supported:UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_what_tfmot_refuses_is_reported_by_name_with_a_remedy(case: str) -> None:
    shape, body, remedy = REFUSED[case]
    model = model_of(shape, body)
    (problem,) = problems(model)
    assert remedy in problem.remedy
    assert problem.kind.split("(")[0] == case.split(",")[0].split("(")[0]
    if case != "TFOpLambda":  # Keras makes its name
        assert problem.layer == "suspect"
    with pytest.raises((RuntimeError, ValueError, KeyError)):
        quantize_per_channel(model)


def quantized_outputs(model: Any) -> set[str]:
    wrapped = quantize_per_channel(model).layers
    return {layer.name for layer in wrapped if getattr(layer, "_output_quantizers", None)}


def test_relu6_as_a_function_is_quantized_twice_and_as_a_layer_once() -> None:
    def body(activation: Any) -> Callable[[Any], Any]:
        return lambda x: activation(layers.BatchNormalization(name="bn")(x))

    wrong = model_of(IMAGE, body(layers.Activation(tf.nn.relu6, name="suspect")))
    right = model_of(IMAGE, body(layers.ReLU(6.0, name="suspect")))
    (problem,) = problems(wrong)
    assert (problem.layer, problem.kind) == ("suspect", "Activation(relu6)")
    assert problems(right) == ()
    assert "quant_bn" in quantized_outputs(wrong)
    assert "quant_bn" not in quantized_outputs(right)


def test_a_mixed_policy_is_reported_for_every_layer_and_really_fails() -> None:
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = model_of(IMAGE, lambda x: layers.ReLU(name="relu")(x))
        found = problems(model)
        with pytest.raises((TypeError, ValueError)):
            quantize_per_channel(model)(np.zeros((1, *IMAGE), np.float32), training=True)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert {problem.layer for problem in found} >= {"first", "relu", "logits"}
    assert all("mixed_bfloat16" in problem.why for problem in found)


def all_that_is_accepted(x: Any) -> Any:
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Conv2D(4, 1, activation="relu", name="conv")(layers.ZeroPadding2D(name="pad")(x))
    y = layers.BatchNormalization(name="bn1")(layers.SeparableConv2D(4, 1, name="separable")(x))
    x = layers.Concatenate(name="concat")([layers.Add(name="add")([x, y]), x])
    x = layers.AveragePooling2D(name="average")(layers.Activation("swish", name="swish")(x))
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="max")(x))
    x = layers.BatchNormalization(name="bn2")(layers.Dense(4, name="dense")(x))
    return layers.Dropout(0.1, name="dropout")(layers.ReLU(name="relu")(x))


def test_what_tfmot_quantizes_is_not_refused() -> None:
    model = model_of(IMAGE, all_that_is_accepted)
    assert problems(model) == ()
    assert quantize_per_channel(model).output_shape == (None, 3)


OF_IMAGES = [name for name in STUDENTS if "image" in STUDENTS[name].TAKES]
FLOAT_ONLY = [name for name in STUDENTS if why_no_int8(STUDENTS[name])]


def of_family(name: str, *sets: Setting) -> Recipe:
    """A recipe of data that the student takes."""
    data = "commands" if "tokens" in STUDENTS[name].TAKES else "vowels"
    given = [("dataset", {"name": data}), ("distill", {"family": name}), ("gates", {}), *sets]
    return load(data, [Override(key, value, f"--set {key}") for key, value in given])


def refused(name: str, *sets: Setting, targets: list[str] | None = None) -> str:
    with pytest.raises(InputError) as error:
        of_family(name, *sets, ("convert.targets", targets or ["tflite"]))
    return str(error.value)


def family(name: str) -> Any:
    student = name in STUDENTS
    return build(
        NetworkSpec(
            role="student" if student else "teacher",
            family=name,
            settings={"width_multiplier": 0.25} if student else {"widths": [8, 8], "blocks": 2},
            input=image_input(8, 8, 1),
            classes=3,
        )
    )


@pytest.mark.parametrize("name", OF_IMAGES)
def test_every_student_family_passes_in_well_under_a_second(name: str) -> None:
    model = family(name)
    begun = time.process_time()
    require_quantizable(model, family=name)
    assert time.process_time() - begun < 0.5


def test_all_layers_are_in_one_error() -> None:
    """Pre-activation: the norms behind a sum are named, those behind a convolution are not."""
    model = family("wrn")
    with pytest.raises(InputError) as error:
        require_quantizable(model, family="wrn")
    message = str(error.value)
    assert message.startswith("family wrn: cannot be quantized to int8 as it is.")
    assert message.endswith(f"Families that can: {', '.join(OF_IMAGES)}.")
    norms = [layer.name for layer in model.layers if layer.name.endswith("_bn")]
    assert [name for name in norms if f"'{name}'" in message] == ["stage0_block1_a_bn", "head_bn"]
    assert "\n" not in message


@pytest.mark.parametrize("targets", [["tflite"], ["tflite", "onnx"]])
@pytest.mark.parametrize("precision", ["int8", "int8_ptq", "int16x8"])
@pytest.mark.parametrize("name", FLOAT_ONLY)
def test_a_family_without_int8_forms_is_refused_with_the_precisions_that_it_has(
    name: str, precision: str, targets: list[str]
) -> None:
    """By its recipe alone: no data are read."""
    if precision == "int16x8" and "onnx" in targets:
        pytest.skip("is refused for every family")
    message = refused(name, ("convert.precisions", ["float32", precision]), targets=targets)
    assert f"convert.precisions: {name} cannot be {precision}: " in message
    assert why_no_int8(STUDENTS[name]) in message
    assert message.endswith("""give --set 'convert.precisions=["float32", "dynamic"]'.""")
    assert ("float32, float16, dynamic: give" in message) == (targets == ["tflite"])
    assert "\n" not in message


@pytest.mark.parametrize("name", FLOAT_ONLY)
def test_the_precisions_that_a_refusal_names_are_taken(name: str) -> None:
    asked = ("convert.precisions", ["float32", "dynamic"])
    assert of_family(name, asked).convert.precisions == ("float32", "dynamic")
    message = refused(name, asked, ("ablation.enabled", True))
    assert f"ablation: compares int8 files, and {name} has none" in message


def test_a_loop_of_a_family_that_does_not_tell_is_found_in_its_layers() -> None:
    def recurrent(x: Any) -> Any:
        return layers.Bidirectional(layers.GRU(2, name="gru"), name="both")(x)

    with pytest.raises(InputError) as error:
        require_calibratable(model_of(SERIES, recurrent), family="mine")
    message = str(error.value)
    assert message.startswith("family mine: cannot be int8_ptq or int16x8: GRU 'forward_gru', ")
    assert message.endswith("""give --set 'convert.precisions=["float32", "dynamic"]'.""")
    require_calibratable(model_of(IMAGE, all_that_is_accepted), family="mine")


def test_a_model_of_one_s_own_class_is_reported() -> None:
    class Own(tf_keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    (problem,) = problems(Own(name="own"))
    assert "only functional" in problem.why


def test_a_trained_student_is_quantized_without_the_file_of_its_initial_weights(
    finished: Lane, tmp_path: Path
) -> None:
    given = job(finished, tmp_path, ("distill.weights", "gone.npz"), ("quantize.epochs", 1))
    logits, distill = kept(finished, "logits", TeacherLogits), kept(finished, "distill", Checkpoint)
    made = quantize.run(given.recipe.quantize, tmp_path, job=given, logits=logits, distill=distill)
    assert made.quantized
