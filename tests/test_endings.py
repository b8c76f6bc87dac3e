"""A final softmax or sigmoid is computed in float, and one in the middle in integers."""

from pathlib import Path

import numpy as np
import pytest

from targets.bench.case import BenchCase
from targets.bench.plan import Bench, logits_of
from targets.bench.runner import local_runner
from targets.formats.onnx import qdq
from targets.formats.tflite import export
from targets.formats.tflite import inspect as inspect_tflite
from targets.runtimes import RUNTIMES
from tests.test_precisions import HAS_TFLITE_RUNTIME, IMAGES, ONCE, SPEC, dense

ENDINGS = {"SOFTMAX": "softmax", "LOG_SOFTMAX": "log_softmax", "LOGISTIC": "sigmoid"}


def ended(ending: str | None, *, precision: str, folder: Path) -> Path:
    """A file of 300 scores that differ by little, with an activation behind them."""
    import tensorflow as tf

    scores = dense(300, scale=0.01)
    path = folder / f"{ending}.{precision}.tflite"
    final = getattr(tf.nn, ENDINGS[ending]) if ending else tf.identity
    getattr(export, f"export_{precision}")(lambda image: final(scores(image)), SPEC, IMAGES, path)
    return path


@pytest.mark.parametrize(
    ("ending", "precision"),
    [
        *((ending, "int8_ptq") for ending in ENDINGS),
        ("SOFTMAX", "int16x8"),  # which the converter does not know for LOG_SOFTMAX
        ("LOGISTIC", "int16x8"),
    ],
)
def test_the_last_softmax_or_sigmoid_is_float_and_what_is_before_it_the_same(
    tmp_path: Path, ending: str, precision: str
) -> None:
    """In int8 every one of the 300 probabilities would be 0 or 1/256."""
    import tensorflow as tf

    path = ended(ending, precision=precision, folder=tmp_path)
    plain = ended(None, precision=precision, folder=tmp_path)
    before, actual = (logits_of(p, "tflite", IMAGES[:32], tmp_path) for p in (plain, path))
    assert len(set(before.argmax(axis=1))) > 20
    np.testing.assert_array_equal(actual.argmax(axis=1), before.argmax(axis=1))
    expected = getattr(tf.nn, ENDINGS[ending])(before).numpy()
    np.testing.assert_allclose(actual, expected, rtol=2e-6)
    operators = inspect_tflite.inspect(path).operators
    assert [(op.name, op.edge) for op in operators[-2:]] == [("DEQUANTIZE", True), (ending, True)]
    assert inspect_tflite.inspect(path).float_ops == inspect_tflite.inspect(plain).float_ops == 0
    assert not any(op.edge for op in operators if op.name not in ("QUANTIZE", "DEQUANTIZE", ending))


@pytest.mark.parametrize("runtime", list(RUNTIMES))
def test_a_float_softmax_behind_integers_loads_in_every_runtime(
    tmp_path: Path, runtime: str
) -> None:
    if runtime == "tflite_runtime" and not HAS_TFLITE_RUNTIME:
        pytest.skip("tflite-runtime is not installed: Python 3.11 only")
    (kind,) = RUNTIMES[runtime].formats
    path = ended("SOFTMAX", precision="int8_ptq", folder=tmp_path)
    expected = logits_of(path, "tflite", IMAGES[:32], tmp_path)
    if kind == "onnx":
        qdq.export_int8(path, path.with_suffix(".onnx"))
    np.save(tmp_path / "images.npy", IMAGES[:32])
    bench = Bench(runner=local_runner(tmp_path), samples=tmp_path / "images.npy", plan=ONCE)
    subject = BenchCase(
        name="x", format=kind, path=path.with_suffix(f".{kind}"), runtime=RUNTIMES[runtime]
    )
    actual, _ = bench.outputs(subject)
    assert actual is not None
    # A step of the scores, in which tflite-runtime's older kernels round elsewhere.
    np.testing.assert_allclose(actual, expected, rtol=5e-3)


def test_constants_stay_aligned_in_a_file_that_was_changed(tmp_path: Path) -> None:
    """ARM reads int32 biases in pairs, and a runtime maps the file as it is."""
    from tensorflow.lite.python import schema_py_generated as schema

    content = ended("SOFTMAX", precision="int8_ptq", folder=tmp_path).read_bytes()
    model = schema.Model.GetRootAs(content)
    start = np.frombuffer(content, np.uint8).ctypes.data
    held = [model.Buffers(i) for i in range(model.BuffersLength())]
    places = [b.DataAsNumpy().ctypes.data - start for b in held if b.DataLength()]
    assert len(places) > 2
    assert [place % 16 for place in places] == [0] * len(places)


def test_a_softmax_in_the_middle_stays_an_integer_operator(tmp_path: Path) -> None:
    import tensorflow as tf

    scores, after = dense(8), np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    export.export_int8_ptq(
        lambda image: tf.matmul(tf.nn.softmax(scores(image)), after),
        SPEC,
        IMAGES,
        tmp_path / "x.tflite",
    )
    (softmax,) = [
        op for op in inspect_tflite.inspect(tmp_path / "x.tflite").operators if op.name == "SOFTMAX"
    ]
    assert (softmax.edge, set(softmax.dtypes)) == (False, {"INT8"})
