"""The files that `int8.py` measures: each network as float32 and int8, in both formats.

Untrained: a convolution takes as long with random weights as with trained ones. The ranges are
calibrated on random images, because uncalibrated ones would leave convolutions in float.
"""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.macs import count_macs
from pipeline.models.network import NetworkSpec, build, count_parameters
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.training import session
from pipeline.training.inference import normalise
from targets.bench.case import BenchCase
from targets.formats.input_spec import InputSpec, image_input
from targets.formats.onnx import qdq
from targets.formats.onnx.canonical import OPSET
from targets.formats.tflite import export
from targets.quiet import quiet_stderr

CLASSES = 10
CALIBRATION_IMAGES = 64

TEACHER, DEFAULT, RESIDUAL = "resnet", "mobilenet_v1", "mobilenet_v2"
"""The teacher, the default student, and the one whose branches naive exports leave in float."""
DEPTHWISE = (DEFAULT, RESIDUAL, "mobilenet_v4")
NETWORKS: dict[str, dict[str, Any]] = {
    **{family: {"width_multiplier": 1.0} for family in (*DEPTHWISE, "fused")},
    TEACHER: {"widths": [32, 64, 128], "blocks": 2},
}
NAIVE = f"{RESIDUAL}.naive.onnx"


def fast(family: str) -> str:
    """The int8 ONNX file with int8 weights, which is correct on some processors only."""
    return f"{family}.int8-weights.onnx"


@dataclass(frozen=True, kw_only=True)
class Network:
    family: str
    parameters: int
    macs: int
    cases: tuple[BenchCase, ...]


def case(path: Path) -> BenchCase:
    return BenchCase(name=path.name, format=path.suffix[1:], path=path)


def describe(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def images(shape: tuple[int, ...], count: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def write(family: str, folder: Path, *, side: int, threads: int) -> Network:
    """Build `family` for square grey images and write its files into `folder`."""
    session.start(seed=0, threads=threads)
    spec = image_input(side, side, 1)
    model = build(
        NetworkSpec(
            role="teacher" if family == TEACHER else "student",
            family=family,
            settings=NETWORKS[family],
            input=spec,
            classes=CLASSES,
        )
    )
    paths = [*_float(model, family, spec, folder), *_int8(model, family, spec, folder)]
    if family == RESIDUAL:
        paths.append(_naive(model, spec, folder / NAIVE))
    return Network(
        family=family,
        parameters=count_parameters(model),
        macs=count_macs(model),
        cases=tuple(case(path) for path in paths),
    )


def _float(model: Any, family: str, spec: InputSpec, folder: Path) -> list[Path]:
    paths = [folder / f"{family}.float32.{kind}" for kind in ("tflite", "onnx")]
    export.export_float(lambda image: model(image, training=False), spec, paths[0])
    qdq.export_float(lambda image: model(image, training=False), spec, paths[1])
    return paths


def _int8(model: Any, family: str, spec: InputSpec, folder: Path) -> list[Path]:
    paths = [folder / f"{family}.int8.{kind}" for kind in ("tflite", "onnx")]
    quantized = QuantizedNetwork(model, spec)
    quantized.calibrate(images(spec.shape, CALIBRATION_IMAGES))
    export.export_int8(lambda image: quantized.model(image, training=False), spec, paths[0])
    qdq.export_int8(paths[0], paths[1])
    paths.append(folder / fast(family))
    qdq.export_int8(paths[0], paths[2], weights="int8")
    return paths


def _naive(model: Any, spec: InputSpec, path: Path) -> Path:
    """The usual export: tfmot's defaults, converted by tf2onnx; it takes normalised images.

    The export needs one batch before it: the input's range is 0 until then, and the file unusable.
    """
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf2onnx

    quantized = tfmot.quantization.keras.quantize_model(model)
    quantized(normalise(images(spec.shape, CALIBRATION_IMAGES), spec), training=True)
    signature = [tf.TensorSpec([1, *spec.shape], tf.float32, name="image")]
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tf2onnx.convert.from_keras(quantized, signature, opset=OPSET, output_path=str(path))
    return path
