"""Networks of many forms: int8 in ONNX gives the integers of the TFLite file, or is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf
import tf_keras
from tf_keras import layers

from targets.bench.plan import logits_of
from targets.errors import ConversionError, ProofError
from targets.formats.input_spec import image_input
from targets.formats.onnx import qdq
from targets.formats.onnx.canonical import canonical
from targets.formats.tflite import export

SPEC = image_input(8, 8, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (256, 8, 8, 3), np.uint8)
Body = Callable[[Any], Any]


def network(body: Body) -> Callable[[Any], Any]:
    """A convolution, `body`, and a head, with seeded weights."""
    tf_keras.utils.set_random_seed(1)
    image = layers.Input(SPEC.shape)
    x = body(layers.Conv2D(8, 3, padding="same", name="stem")(image))
    if x.shape.rank == 4:
        x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = tf_keras.Model(image, layers.Dense(4, name="head")(x))
    return lambda image: model(image, training=False)


def conv(x: Any) -> Any:
    return layers.Conv2D(8, 3, padding="same")(x)


def activations(x: Any) -> Any:
    """Functions that TFLite looks up in a table, two of them behind each other."""
    for name in ("gelu", "tanh", "mish"):
        x = conv(layers.Activation(name)(x))
    return x * layers.ReLU(6.0)(x + 3.0) / 6.0  # hard swish


def moved(x: Any) -> Any:
    """Operators that only move integers."""
    x = layers.Permute((2, 1, 3))(layers.Cropping2D(1)(x))
    x = layers.Concatenate()(tf.split(x, 2, axis=3)[::-1])
    return tf.nn.depth_to_space(x[:, ::2, :2, :], 2)


def shared(x: Any) -> Any:
    """Maps that are used twice, with room below zero on their scale; a maximum over a map."""
    x = layers.ReLU()(x)
    y = conv(layers.ReLU()(layers.BatchNormalization()(x)))
    x = layers.Average()([layers.Concatenate()([x, y]), layers.Conv2D(16, 1)(x)])
    return layers.Concatenate()(
        [layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]
    )


def grouped(x: Any) -> Any:
    return layers.Conv2D(8, 3, groups=4, padding="same")(x)


@pytest.mark.parametrize("body", [activations, moved, shared, grouped])
def test_int8_onnx_gives_the_integers_of_the_tflite_file(body: Body, tmp_path: Path) -> None:
    """`export_int8` fails where an operator stays in float or a scale is not the same."""
    in_tflite, in_onnx = tmp_path / "x.tflite", tmp_path / "x.onnx"
    export.export_int8_ptq(network(body), SPEC, IMAGES, in_tflite)
    qdq.export_int8(in_tflite, in_onnx)
    samples = IMAGES[:32]
    first, second = (logits_of(p, p.suffix[1:], samples, tmp_path) for p in (in_tflite, in_onnx))
    levels = np.unique(first)
    assert len(levels) > 16
    # A sum may differ by a step: XNNPACK rescales its terms in fixed point.
    assert np.abs(first - second).max() <= (1.001 * np.diff(levels).min() if body is shared else 0)


@pytest.mark.parametrize("body", [activations, grouped])
def test_float_onnx_has_a_form_for_what_keras_writes(body: Body, tmp_path: Path) -> None:
    model = network(body)
    qdq.export_float(model, SPEC, tmp_path / "x.onnx")
    expected = model(SPEC.real(tf.constant(IMAGES[:8], tf.float32))).numpy()
    actual = logits_of(tmp_path / "x.onnx", "onnx", IMAGES[:8], tmp_path)
    assert np.abs(actual - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


@pytest.mark.parametrize(
    ("body", "error", "names"),
    [
        (lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x), ProofError, "Resize"),
        (lambda x: layers.Maximum()([x, conv(x)]), ProofError, r"Max \(.*maximum"),
        (lambda x: tf.clip_by_value(x, -1.0, 1.0), ConversionError, "does not load what it wrote"),
    ],
    ids=["bilinear", "maximum", "clip"],
)
def test_what_has_no_int8_form_in_onnx_is_refused_by_name(
    body: Body, error: type[ProofError], names: str, tmp_path: Path
) -> None:
    export.export_int8_ptq(network(body), SPEC, IMAGES, tmp_path / "x.tflite")
    with pytest.raises(error, match=names):
        qdq.export_int8(tmp_path / "x.tflite", tmp_path / "x.onnx")


def test_an_operator_that_the_standard_does_not_have_is_refused(tmp_path: Path) -> None:
    node = onnx.helper.make_node("TFL_CUMSUM", ["image"], ["logits"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4])
        for name in ("image", "logits")
    ]
    graph = onnx.helper.make_graph([node], "x", ends[:1], ends[1:])
    with pytest.raises(ConversionError, match=r"no operator for TFL_CUMSUM\. Replace the layer"):
        qdq.write(canonical(onnx.helper.make_model(graph)), tmp_path / "x.onnx")
