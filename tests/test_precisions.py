"""The types in each file are those of its precision, and every runtime executes it."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper

from pipeline.quantization.float_layers import Chains, keep_float
from targets.bench.case import BenchCase
from targets.bench.plan import Bench, BenchPlan, logits_of
from targets.bench.runner import local_runner
from targets.errors import InputError, ProofError
from targets.formats import FORMATS
from targets.formats.calibration import MIN_CALIBRATION_SAMPLES
from targets.formats.input_spec import InputSpec, image_input
from targets.formats.onnx import qdq
from targets.formats.onnx.dynamic import export_dynamic
from targets.formats.onnx.scales import require_equal_scales, scale_table
from targets.formats.precisions import PRECISIONS
from targets.formats.tflite import export
from targets.formats.tflite import inspect as inspect_tflite
from targets.formats.tflite.proofs import require_dynamic, require_float16, require_int16x8
from targets.runtimes import RUNTIMES

SPEC = image_input(12, 12, 1)
FAMILIES = ("mobilenet_v1", "mobilenet_v2")
# Neither end of the range occurs: the exports must see to it.
IMAGES = np.random.default_rng(0).integers(9, 240, (MIN_CALIBRATION_SAMPLES, 12, 12, 1), np.uint8)
HAS_TFLITE_RUNTIME = find_spec("tflite_runtime") is not None


def network(family: str) -> Any:
    """A student with random weights whose activations are of a usual size."""
    import tf_keras

    from pipeline.models.network import NetworkSpec, build
    from pipeline.training.inference import normalise

    tf_keras.utils.set_random_seed(0)
    settings = {"width_multiplier": 0.25}
    model = build(
        NetworkSpec(role="student", family=family, settings=settings, input=SPEC, classes=3)
    )
    for _ in range(20):  # batch normalisation learns the statistics
        model(normalise(IMAGES, SPEC), training=True)
    return model


def write(model: Any, precision: str, folder: Path) -> Path:
    from pipeline.quantization.qat import QuantizedNetwork

    path = folder / f"student.{precision}.tflite"
    name = "float" if precision == "float32" else precision
    write_file = getattr(export, f"export_{name}")
    if PRECISIONS[precision].quantization_aware:
        quantized = QuantizedNetwork(model, SPEC)
        quantized.calibrate(IMAGES)
        model = quantized.model
    more: tuple[object, ...] = (IMAGES,) if PRECISIONS[precision].calibrated else ()
    if precision == "mixed":
        more = (keep_float(model, [Chains(model).all()[1][0].layer.name]),)
    write_file(lambda image: model(image, training=False), SPEC, *more, path)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with every file of a family."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = out = tmp_path_factory.mktemp(family)
            model = network(family)
            files = {p: write(model, p, out) for p in FORMATS["tflite"].precisions}
            for precision, to_onnx in (
                ("float32", qdq.export_float), ("dynamic", export_dynamic),
            ):  # fmt: skip
                to_onnx(
                    lambda image: model(image, training=False),
                    SPEC,
                    out / f"student.{precision}.onnx",
                )
            for precision in ("int8", "mixed", "int8_ptq"):
                onnx = out / f"student.{precision}.onnx"
                qdq.export_int8(files[precision], onnx, mixed=precision == "mixed")
        return made[family]

    return folder


ONCE = BenchPlan(
    processes=1, min_queries=1, min_duration_s=0, max_duration_s=0, warmup_runs=0, warmup_s=0,
)  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "runtime",
    [
        "ai_edge_litert",
        "onnxruntime",
        pytest.param(
            "tflite_runtime",
            marks=pytest.mark.skipif(
                not HAS_TFLITE_RUNTIME, reason="tflite-runtime is not installed: Python 3.11 only"
            ),
        ),
    ],
)
def test_every_file_loads_and_answers_in_every_runtime(
    written: Callable[[str], Path], tmp_path: Path, runtime: str, family: str
) -> None:
    samples = tmp_path / "samples.npy"
    np.save(samples, IMAGES[:16])
    bench = Bench(runner=local_runner(tmp_path), samples=samples, plan=ONCE)
    (kind,) = RUNTIMES[runtime].formats
    expected = logits_of(written(family) / f"student.float32.{kind}", kind, IMAGES[:16], tmp_path)
    for precision in FORMATS[kind].precisions:
        path = written(family) / f"student.{precision}.{kind}"
        case = BenchCase(name=path.name, format=kind, path=path, runtime=RUNTIMES[runtime])
        actual, record = bench.outputs(case)
        assert actual is not None
        assert record["runtime"]["name"] == runtime
        assert not record["tensorflow_imported"]
        limit = {"float32": 1e-4, "float16": 0.02}.get(precision, 0.1)
        assert np.abs(actual - expected).max() <= limit * np.abs(expected).max(), precision


def test_a_dynamic_dense_layer_is_of_a_version_that_tflite_runtime_knows(tmp_path: Path) -> None:
    export.export_dynamic(dense(8), SPEC, tmp_path / "x.tflite")
    versions = {
        op.name: op.version for op in inspect_tflite.inspect(tmp_path / "x.tflite").operators
    }
    assert versions["FULLY_CONNECTED"] <= 9  # 12 where each output has a scale of its own


def test_every_precision_has_its_types(written: Callable[[str], Path]) -> None:
    folder = written("mobilenet_v1")
    held = {
        p: {c.dtype for c in inspect_tflite.inspect(folder / f"student.{p}.tflite").constants}
        for p in FORMATS["tflite"].precisions
    }
    assert "FLOAT16" in held["float16"]
    assert "INT8" in held["dynamic"]
    assert "FLOAT32" in held["dynamic"]  # small weights and biases
    for precision in ("int8", "int8_ptq"):
        assert held[precision] <= {"INT8", "INT32"}
    assert held["mixed"] == {"INT8", "INT32", "FLOAT32"}
    assert held["int16x8"] <= {"INT8", "INT16", "INT32", "INT64"}


def test_calibration_gives_the_input_exactly_the_assigned_scale(
    written: Callable[[str], Path],
) -> None:
    actual = inspect_tflite.inspect(written("mobilenet_v1") / "student.int8_ptq.tflite")
    assert (actual.input_dtype, actual.input_scale) == ("UINT8", (1 / 128, 128))
    assert actual.output_dtype == "FLOAT32"
    assert actual.float_ops == 0


def test_both_ends_are_set_only_where_they_do_not_occur() -> None:
    changed = export.with_both_ends(IMAGES)
    assert (changed.min(), changed.max()) == (0, 255)
    assert np.count_nonzero(changed != IMAGES) == 2
    assert IMAGES.min() == 9  # the caller's array is its own
    assert export.with_both_ends(changed) is changed


@pytest.mark.parametrize("precision", [p.name for p in PRECISIONS.values() if p.calibrated])
def test_a_calibration_set_that_is_too_small_is_refused(tmp_path: Path, precision: str) -> None:
    write_file = getattr(export, f"export_{precision}")
    with pytest.raises(InputError, match=r"255 samples are too few.* at least 256"):
        write_file(lambda image: image, SPEC, IMAGES[1:], tmp_path / "x.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("proof", [require_float16, require_dynamic, require_int16x8])
def test_a_file_of_another_precision_is_not_taken(
    written: Callable[[str], Path], proof: Callable[[Path], Any]
) -> None:
    with pytest.raises(ProofError, match="was asked for, but"):
        proof(written("mobilenet_v1") / "student.float32.tflite")


def dense(units: int, *, inputs: int = 144, scale: float = 1.0) -> Callable[[Any], Any]:
    """A network of one matrix [inputs, units]."""
    import tensorflow as tf

    matrix = np.random.default_rng(0).normal(0, scale, (inputs, units)).astype(np.float32)
    return lambda image: tf.matmul(tf.reshape(image, [1, inputs]), matrix)


def test_a_network_without_a_large_matrix_cannot_be_dynamic(tmp_path: Path) -> None:
    export.export_dynamic(dense(8), SPEC, tmp_path / "large.tflite")  # 1,152 elements
    with pytest.raises(ProofError, match="no weight tensor of the network has 1,024 elements"):
        export.export_dynamic(dense(7), SPEC, tmp_path / "small.tflite")


@pytest.mark.parametrize("kind", ["dense", "conv", "depthwise", "transpose"])
def test_a_wide_layers_bias_is_no_weight_that_stayed_in_float(tmp_path: Path, kind: str) -> None:
    """1,024 channels and more: MobileNet, ResNet50, EfficientNet."""
    import tf_keras

    layers = tf_keras.layers
    wide: dict[str, list[Any]] = {
        "dense": [layers.Flatten(), layers.Dense(1024, activation="sigmoid")],
        "conv": [layers.Conv2D(1024, 3), layers.BatchNormalization(), layers.ReLU()],
        "depthwise": [layers.Conv2D(1024, 1), layers.DepthwiseConv2D(3)],
        "transpose": [layers.Conv2DTranspose(1024, 2), layers.BatchNormalization()],
    }
    image = [layers.Input((2, 2, 4)) if kind == "dense" else layers.Input((3, 3, 4))]
    model = tf_keras.Sequential([*image, *wide[kind], layers.Flatten(), layers.Dense(2)])
    model.set_weights([np.random.default_rng(0).uniform(0.5, 1, w.shape) for w in model.weights])
    spec = image_input(*model.input_shape[1:])
    export.export_dynamic(lambda x: model(x, training=False), spec, tmp_path / "x.tflite")
    actual = inspect_tflite.inspect(tmp_path / "x.tflite")
    floats = [c for c in actual.constants if c.dtype == "FLOAT32" and c.elements >= 1024]
    assert floats  # the bias that was refused
    assert not any(c.multiplied for c in floats)


def test_a_matrix_that_stayed_in_float_is_found_whatever_its_size(
    written: Callable[[str], Path],
) -> None:
    actual = inspect_tflite.inspect(written("mobilenet_v1") / "student.float32.tflite")
    held = [c for c in actual.constants if c.dtype == "FLOAT32"]
    layers = [op for op in actual.operators if op.weights == "FLOAT32"]
    assert sum(c.multiplied for c in held) == len(layers)
    assert max(c.elements for c in held if c.multiplied) >= 1024


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["int8", "int8_ptq"])
def test_the_scale_table_covers_every_quantized_tensor(
    written: Callable[[str], Path], family: str, precision: str
) -> None:
    stem = written(family) / f"student.{precision}"
    rows = scale_table(stem.with_name(f"{stem.name}.tflite"), stem.with_name(f"{stem.name}.onnx"))
    require_equal_scales(rows)
    actual = inspect_tflite.inspect(stem.with_name(f"{stem.name}.tflite"))
    tensors = Interpreter(str(stem.with_name(f"{stem.name}.tflite"))).get_tensor_details()
    quantized = {t["name"] for t in tensors if t["quantization_parameters"]["scales"].size}
    assert quantized == {row.source for row in rows}
    layers = len([op for op in actual.operators if op.weights == "INT8"])
    by_kind = {kind: [r for r in rows if r.kind == kind] for kind in ("weights", "bias")}
    assert len(by_kind["weights"]) == layers
    assert len(by_kind["bias"]) == layers - 1  # the classifier's is zero, and TFLite drops it
    assert max(r.source_scales.channels for r in rows if r.source_scales) > 1
    assert [r.note for r in rows if r.note] == ["holds the values of image"]


@pytest.mark.parametrize("op", ["QuantizeLinear", "DequantizeLinear"])
def test_the_error_of_a_changed_scale_names_the_tensor(
    written: Callable[[str], Path], tmp_path: Path, op: str
) -> None:
    folder = written("mobilenet_v1")
    model = onnx.load(folder / "student.int8.onnx")
    constants = {i.name for i in model.graph.initializer}
    node = next(n for n in model.graph.node if n.op_type == op and n.input[0] not in constants)
    wrong = numpy_helper.from_array(np.float32(0.123), "wrong")
    model.graph.initializer.append(wrong)
    node.input[1] = "wrong"
    onnx.save(model, tmp_path / "x.onnx")
    rows = scale_table(folder / "student.int8.tflite", tmp_path / "x.onnx")
    name = node.name if op == "QuantizeLinear" else "image"
    with pytest.raises(ProofError, match=r"activation .*0\.123") as error:
        require_equal_scales(rows)
    assert name in str(error.value)


def test_a_tensor_that_one_file_lacks_is_not_equal(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = written("mobilenet_v1")
    model = onnx.load(folder / "student.int8.onnx")
    node = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    before, node.name = node.name, "somebody"
    onnx.save(model, tmp_path / "x.onnx")
    rows = scale_table(folder / "student.int8.tflite", tmp_path / "x.onnx")
    message = {row.source or row.file: row.note for row in rows if not row.equal}
    assert message[before] == "has no counterpart in the ONNX file"
    assert "has no counterpart in the TFLite file" in message.values()
    with pytest.raises(ProofError, match="has no counterpart"):
        require_equal_scales(rows)


def test_an_input_that_needs_no_arithmetic_gets_none(tmp_path: Path) -> None:
    raw = InputSpec(shape=(12, 12, 1), scale=1.0, zero_point=0)
    export.export_float(dense(8), raw, tmp_path / "x.tflite")
    names = {op.name for op in inspect_tflite.inspect(tmp_path / "x.tflite").operators}
    assert not names & {"SUB", "MUL"}
