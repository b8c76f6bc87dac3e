"""Write the requested formats, and show that each file is what was asked for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Checkpoint, DatasetSummary, Exports
from pipeline.recipe import ConvertConfig
from pipeline.stages.job import Job
from targets.errors import ProofError
from targets.formats.record import ExportedModel, Parity

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset

FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float export's logits from its source's."""
INT8_AGREEMENT = 0.95
"""Least share of equal labels between an int8 file and the network it came from. Fake quantization
and the integer kernels round in different places (99.4-99.7 % in practice): a share that is shown
to be below this (the upper end of its interval is) is not rounding."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained network, as a function of raw samples and as one that can be traced."""

    checkpoint: Checkpoint
    role: str
    model: Any
    predict: Callable[[Any], Any]

    def serve(self, image: Any) -> Any:
        return self.model(image, training=False)


def run(
    cfg: ConvertConfig,
    out: Path,
    *,
    job: Job,
    teacher: Checkpoint,
    distill: Checkpoint,
    quantize: Checkpoint,
) -> Exports:
    from pipeline.stages import training

    training.start(job)
    data = job.dataset()
    sources = {
        "teacher": _source("teacher", teacher, data),
        "student": _source("student", distill, data),
        "student_qat": _source("student_qat", quantize, data),
    }
    (out / "models").mkdir(parents=True)
    models, parity = [], []
    for target in dict.fromkeys(cfg.targets):
        for role, source in sources.items():
            job.console.say(f"convert   {role} to {target}")
            model = _export(target, source, data, out, job.scratch)
            models.append(model)
            parity.append(_parity(model, source, data, out, job.scratch))
    return Exports(
        folder=out,
        input=data.input,
        dataset=_summary(data),
        models=tuple(models),
        parity=tuple(parity),
    )


def _source(role: str, checkpoint: Checkpoint, data: "Dataset") -> Source:
    from pipeline.models.network import build, load_weights
    from pipeline.quantization.qat import QuantizedNetwork
    from pipeline.training.loop import make_predict

    model = build(checkpoint.network)
    if checkpoint.quantized:
        model = QuantizedNetwork(model, data.input).model
    load_weights(model, checkpoint.weights)
    return Source(
        checkpoint=checkpoint, role=role, model=model, predict=make_predict(model, data.input)
    )


def _export(
    target: str, source: Source, data: "Dataset", out: Path, scratch: Path
) -> ExportedModel:
    from targets.formats import onnx_qdq, tflite

    int8 = source.checkpoint.quantized
    precision = "int8" if int8 else "float32"
    name = f"{'student' if int8 else source.role}.{precision}"
    path = out / "models" / f"{name}.{target}"
    match target, int8:
        case "tflite", False:
            tflite.export_float(source.serve, data.input, path)
        case "tflite", True:
            tflite.export_int8(source.serve, data.input, path)
        case "onnx", False:
            onnx_qdq.export_float(source.serve, data.input, path)
        case "onnx", True:
            # The same quantized graph: made from the TFLite file, also where that is not asked for.
            made_from = scratch / f"{name}.tflite"
            tflite.export_int8(source.serve, data.input, made_from)
            onnx_qdq.export_int8(made_from, path)
    return ExportedModel(
        name=f"{name}.{target}",
        role=source.role,
        format=target,
        precision=precision,
        file=str(path.relative_to(out)),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
        parameters=source.checkpoint.parameters,
        macs=source.checkpoint.macs,
    )


def _parity(
    model: ExportedModel, source: Source, data: "Dataset", out: Path, scratch: Path
) -> Parity:
    """The file in its runtime against the network it came from, on the validation split."""
    import numpy as np

    from pipeline.datasets.splits import Split
    from targets import metrics
    from targets.bench.protocol import logits_of

    images = data[Split.VAL].images
    expected = source.predict(images)
    seen = logits_of(out / model.file, model.format, images, scratch)
    int8_ops, float_ops = _operators(model.format, out / model.file)
    parity = Parity(
        name=model.name,
        format=model.format,
        precision=model.precision,
        source=source.role,
        samples=len(images),
        agreement=metrics.agreement(expected, seen),
        max_abs_diff=float(np.max(np.abs(expected - seen))),
        int8_ops=int8_ops,
        float_ops=float_ops,
        scales_equal=None,
    )
    _require_parity(parity)
    return parity


def _operators(target: str, path: Path) -> tuple[int, int]:
    from targets.formats import onnx_qdq, tflite

    seen = tflite.inspect(path) if target == "tflite" else onnx_qdq.inspect(path)
    return seen.int8_ops, seen.float_ops


def _require_parity(parity: Parity) -> None:
    from targets import metrics

    if parity.precision == "float32":
        proved = parity.max_abs_diff <= FLOAT_TOLERANCE and parity.agreement == 1.0
    else:
        _, highest = metrics.wilson_interval(parity.agreement, parity.samples)
        proved = highest >= INT8_AGREEMENT
    if not proved:
        raise ProofError(
            f"{parity.name}: differs from the network it was made from: "
            f"{100 * parity.agreement:.2f} % equal labels on {parity.samples} validation samples, "
            f"logits up to {parity.max_abs_diff:.3g} apart. Nothing was published."
        )


def _summary(data: "Dataset") -> DatasetSummary:
    from pipeline.datasets.splits import Split

    return DatasetSummary(
        name=data.name,
        classes=data.classes,
        train=len(data[Split.TRAIN]),
        val=len(data[Split.VAL]),
        test=len(data[Split.TEST]),
        sha256=data.sha256,
    )
