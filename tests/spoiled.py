"""A student that loses accuracy in int8, because of one layer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.models.network import NetworkSpec, build
from pipeline.quantization.float_layers import keep_float
from pipeline.quantization.max_drop import Search
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.training import session
from pipeline.training.inference import make_predict
from targets.bench.plan import logits_of
from targets.formats.onnx import qdq
from targets.formats.tflite import export
from tests.conftest import THREADS

BAD = "block1_depthwise_relu6"


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """Data that a float network has all right, and its int8 form, of which one layer is bad."""

    data: Dataset
    student: Any
    weights: list[npt.NDArray[np.float32]]

    def quantized(self) -> Any:
        model = QuantizedNetwork(self.student, self.data.input).model
        model.set_weights(self.weights)
        return model

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        return np.asarray(self.data[Split.VAL].raw)

    def search(self, quantized: Any = None) -> Search:
        return Search(quantized=quantized or self.quantized(), student=self.student, data=self.data)

    def write(self, folder: Path, precision: str, *layers: str) -> tuple[Path, Path]:
        """The TFLite file and the ONNX file."""
        model, spec = self.quantized(), self.data.input
        tflite, onnx = (folder / f"student.{precision}.{kind}" for kind in ("tflite", "onnx"))
        if layers:
            operators = keep_float(model, layers)
            export.export_mixed(lambda x: model(x, training=False), spec, operators, tflite)
        else:
            export.export_int8(lambda x: model(x, training=False), spec, tflite)
        qdq.export_int8(tflite, onnx, mixed=bool(layers))
        return tflite, onnx

    def right(self, file: Path, scratch: Path) -> float:
        logits = logits_of(file, file.suffix[1:], self.images, scratch)
        return float(np.mean(logits.argmax(1) == self.data[Split.VAL].labels))


def spoil(stripes_data: Dataset, change: Callable[[Any, Any], None]) -> Spoiled:
    """`change` gets the float network before its quantization, then the quantized one, too."""
    session.start(seed=0, threads=THREADS)
    spec, images = stripes_data.input, stripes_data[Split.TRAIN].raw
    settings: dict[str, JsonValue] = {"width_multiplier": 0.25}
    student = build(
        NetworkSpec(role="student", family="mobilenet_v1", settings=settings, input=spec, classes=3)
    )
    change(student, None)
    bias = student.layers[-1].bias
    bias.assign(bias - make_predict(student, spec)(images).mean(axis=0))
    labels = make_predict(student, spec)(images).argmax(axis=1)
    data = replace(
        stripes_data,
        splits={**stripes_data.splits, Split.VAL: Samples(raw=images, labels=labels)},
    )
    quantized = QuantizedNetwork(student, spec)
    quantized.calibrate(images)
    quantized.settle()
    change(student, quantized.model)
    return Spoiled(data=data, student=student, weights=quantized.model.get_weights())


def too_wide(*names: str) -> Callable[[Any, Any], None]:
    """The ranges of these activations are 40 times as wide."""

    def change(student: Any, quantized: Any) -> None:
        for name in names if quantized is not None else ():
            (high,) = (w for w in quantized.weights if f"{name}/output_max" in w.name)
            high.assign(high * 40)

    return change
