"""What a precision cannot hold is refused with its name and a remedy."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.plan import logits_of
from targets.errors import ProofError
from targets.formats.onnx import qdq
from targets.formats.tflite import export
from targets.formats.tflite import inspect as inspect_tflite
from tests.test_precisions import IMAGES, SPEC, dense


def test_a_loop_is_refused_before_the_calibrator_that_dies_of_it(tmp_path: Path) -> None:
    import tensorflow as tf

    def looped(image: Any) -> Any:
        return tf.while_loop(
            lambda x: tf.reduce_sum(x) < 5.0, lambda x: [x + 1.0], [tf.reduce_mean(image, [1, 2])]
        )[0]

    with pytest.raises(ProofError, match=r"x\.tflite: the network holds a loop"):
        export.export_int8_ptq(looped, SPEC, IMAGES, tmp_path / "x.tflite")


def activated(activation: str, path: Path) -> None:
    import tensorflow as tf

    scores, final = dense(8), dense(4, inputs=8)
    function = getattr(tf.nn, activation)
    export.export_int8_ptq(lambda image: final(function(scores(image))), SPEC, IMAGES, path)


def test_an_activation_without_an_int8_form_is_named_with_what_to_take(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match=r"ELU \(.*activation elu: .* relu or relu6.*float16"):
        activated("elu", tmp_path / "x.tflite")


def test_a_comparison_of_integers_is_an_integer_operator(tmp_path: Path) -> None:
    """SELU, which is a GREATER and a SELECT."""
    activated("selu", tmp_path / "x.tflite")
    kinds = {
        op.name: set(op.dtypes) for op in inspect_tflite.inspect(tmp_path / "x.tflite").operators
    }
    assert kinds["GREATER"] == {"BOOL", "INT8"}
    assert not any("FLOAT32" in types for name, types in kinds.items() if name != "DEQUANTIZE")


def test_weights_beyond_float16_are_finite_or_refused(tmp_path: Path) -> None:
    """1e30 is infinity in float16, and infinity times 0 no number (tensorflow#43719)."""
    import tensorflow as tf

    scores, huge = dense(8), np.full((8, 3), 1e30, np.float32)
    export.export_float16(
        lambda image: tf.matmul(scores(image) * 0, huge), SPEC, tmp_path / "x.tflite"
    )
    actual = logits_of(tmp_path / "x.tflite", "tflite", IMAGES[:4], tmp_path)
    assert np.isfinite(actual).all()


def test_an_error_of_the_converter_is_shown_with_its_cause(tmp_path: Path) -> None:
    import tensorflow as tf

    def half(image: Any) -> Any:
        kernel = tf.ones([3, 3, 1, 2], tf.bfloat16)
        maps = tf.nn.conv2d(tf.cast(image, tf.bfloat16), kernel, strides=1, padding="SAME")
        return tf.cast(tf.reduce_mean(maps, [1, 2]), tf.float32)

    with pytest.raises(ProofError) as error:
        export.export_float(half, SPEC, tmp_path / "x.tflite")
    assert "no form of tf.Conv2D" in str(error.value)
    assert "mixed precision" in str(error.value)
    assert ".py:" not in str(error.value)


def test_long_words_of_tflite_are_cut_between_words() -> None:
    message = export.refusal("operator " * 200)
    assert len(message) <= 500
    assert message.endswith("operator …")
    assert export.refusal("Input 0 was passed int64, expected resource.\nmore").startswith(
        "Input 0 was passed int64, expected resource (the SavedModel keeps a state"
    )


def test_what_stays_float_in_onnx_is_named_by_its_tensor(tmp_path: Path) -> None:
    import tensorflow as tf

    model = dense(8)
    source = tmp_path / "x.tflite"
    export.export_int8_ptq(lambda image: tf.math.softsign(model(image)), SPEC, IMAGES, source)
    (name,) = [op.output for op in inspect_tflite.inspect(source).operators if op.name == "DIV"]
    with pytest.raises(ProofError, match=rf"in float on this machine: Div \({re.escape(name)}\)"):
        qdq.export_int8(source, tmp_path / "x.onnx")
