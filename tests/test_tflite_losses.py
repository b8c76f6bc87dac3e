"""The error of an int8 file names the layers that lose the signal, and a remedy."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.export.exporter import what_to_try
from targets.formats.calibration import MIN_CALIBRATION_SAMPLES
from targets.formats.contract import ExportContext, ServingFunction
from targets.formats.input_spec import image_input
from targets.formats.precisions import PRECISIONS
from targets.formats.tflite import export
from targets.formats.tflite.layer_losses import worst_layers

SPEC = image_input(4, 4, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (MIN_CALIBRATION_SAMPLES, 4, 4, 1), np.uint8)


@pytest.fixture(scope="module")
def lossy() -> ServingFunction:
    """One channel is a thousand times the other, and only the other one counts."""
    import tf_keras

    layers = [
        tf_keras.layers.Input((4, 4, 1)),
        tf_keras.layers.Conv2D(2, 1, activation="relu", name="maps"),
        tf_keras.layers.Flatten(),
        tf_keras.layers.Dense(2, name="scores"),
    ]
    model = tf_keras.Sequential(layers, name="net")
    model.get_layer("maps").set_weights([np.array([[[[1000, 1]]]]), np.zeros(2)])
    counts = np.zeros((32, 2))
    counts[1::2] = np.random.default_rng(0).normal(0, 1, (16, 2))
    model.get_layer("scores").set_weights([counts, np.zeros(2)])
    return ServingFunction(input=SPEC, call=lambda x: model(x, training=False))


def test_the_layer_that_loses_most_comes_first(lossy: ServingFunction, tmp_path: Path) -> None:
    export.export_float(lossy.call, SPEC, tmp_path / "float.tflite")
    export.export_int8_ptq(lossy.call, SPEC, IMAGES, tmp_path / "int8.tflite")
    worst = worst_layers(tmp_path / "int8.tflite", tmp_path / "float.tflite", IMAGES)
    assert "scores" in worst[0].layer
    assert worst[0].layer.startswith("FULLY_CONNECTED")
    assert worst[0].before_db > 40  # the map as a whole is fine: its large channel is
    assert worst[0].after_db < 10
    assert len(worst) <= 3


def test_a_float16_file_loses_next_to_nothing(lossy: ServingFunction, tmp_path: Path) -> None:
    """The same measure on a file that is nearly right."""
    export.export_float(lossy.call, SPEC, tmp_path / "float.tflite")
    export.export_float16(lossy.call, SPEC, tmp_path / "half.tflite")
    worst = worst_layers(tmp_path / "half.tflite", tmp_path / "float.tflite", IMAGES)
    assert worst
    assert all(loss.after_db > 50 for loss in worst)


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("int8_ptq", r"Most of the signal is lost in FULLY_CONNECTED .*scores.*int16x8"),
        ("int16x8", r"^Ask for float16"),
        ("float16", r"^Ask for float32"),
    ],
)
def test_a_file_with_too_few_equal_labels_says_what_to_try(
    lossy: ServingFunction, tmp_path: Path, precision: str, expected: str
) -> None:
    path = tmp_path / "x.tflite"
    calibrated: tuple[Any, ...] = (IMAGES,) if precision.startswith("int") else ()
    getattr(export, f"export_{precision}")(lossy.call, SPEC, *calibrated, path)
    context = ExportContext(samples=IMAGES, scratch=tmp_path)
    advice = what_to_try(PRECISIONS[precision], lossy, path, context=context)
    assert re.search(expected, advice)
