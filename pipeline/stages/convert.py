"""Write the requested formats, and show that each file is what was asked for."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Checkpoint, DatasetSummary, Exports, Teacher
from pipeline.recipe import ConvertConfig
from pipeline.stages.job import Job
from targets.errors import ProofError
from targets.formats.record import ExportedModel, Parity, ScaleRow
from targets.inputs import InputSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.datasets.splits import Dataset
    from pipeline.teachers.source import OpenTeacher

FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float export's logits from its source's, where these are 1 or less."""
INT8_AGREEMENT = 0.95
"""Least share of equal labels between an int8 file and the network it came from. Fake quantization
and the integer kernels round in different places (99.4-99.7 % in practice): a share that is shown
to be below this (the upper end of its interval is) is not rounding."""
SAME_GRAPH_AGREEMENT = 0.999
"""Least share of equal labels between the int8 files of both formats, over the test split."""
CALIBRATION_SAMPLES = 1024


@dataclass(frozen=True, kw_only=True)
class Source:
    """A network to export: what it takes, as a graph and as a function of raw samples."""

    role: str
    input: InputSpec
    serve: Callable[[Any], Any]
    logits: Callable[[Any], Any]
    parameters: int | None
    macs: int | None


@dataclass(frozen=True, kw_only=True)
class Work:
    """Where files are written, and what they are compared on."""

    job: Job
    data: "Dataset"
    out: Path
    models: list[ExportedModel] = field(default_factory=list)
    parity: list[Parity] = field(default_factory=list)
    scales: list[ScaleRow] = field(default_factory=list)


def run(
    cfg: ConvertConfig,
    out: Path,
    *,
    job: Job,
    teacher: Teacher,
    distill: Checkpoint,
    quantize: Checkpoint | None = None,
) -> Exports:
    from pipeline.stages import training

    training.start(job)
    work = Work(job=job, data=job.dataset(), out=out)
    (out / "models").mkdir(parents=True)
    opened = training.open_teacher(teacher, job)
    teacher_source = _teacher(teacher, opened, work)
    student = _student("student", distill, work)
    quantized = student if quantize is None else _student("student_qat", quantize, work)
    for target in dict.fromkeys(cfg.targets):
        if teacher_source is not None:
            _write(target, "float32", teacher_source, work)
        for precision in dict.fromkeys(cfg.precisions):
            _write(target, precision, quantized if precision == "int8" else student, work)
    if opened.adapter is not None:
        _bring(teacher, opened, work)
    return Exports(
        folder=out,
        input=work.data.input,
        dataset=_summary(work.data),
        models=tuple(work.models),
        parity=tuple(work.parity),
        scales=tuple(work.scales),
        teacher_logits=_precomputed(opened, work),
    )


def _teacher(teacher: Teacher, opened: "OpenTeacher", work: Work) -> Source | None:
    """The teacher as a network to export; None where it is a file, or no network at all."""
    from pipeline.teachers.source import raw_input

    serve, spec = opened.serve, work.data.input
    if opened.serve_raw is not None:
        serve, spec = opened.serve_raw, raw_input(spec)
    if serve is None:
        return None
    return Source(
        role="teacher",
        input=spec,
        serve=serve,
        logits=opened.logits,
        parameters=teacher.parameters,
        macs=teacher.macs,
    )


def _student(role: str, checkpoint: Checkpoint, work: Work) -> Source:
    from pipeline.models.network import build, load_weights
    from pipeline.quantization.qat import QuantizedNetwork
    from pipeline.training.loop import make_predict

    spec = work.data.input
    model = build(checkpoint.network)
    if checkpoint.quantized:
        model = QuantizedNetwork(model, spec).model
    load_weights(model, checkpoint.weights)
    return Source(
        role=role,
        input=spec,
        serve=lambda image: model(image, training=False),
        logits=make_predict(model, spec),
        parameters=checkpoint.parameters,
        macs=checkpoint.macs,
    )


def _write(target: str, precision: str, source: Source, work: Work) -> None:
    """Write one file, prove it, and note it down."""
    name = f"{source.role.removesuffix('_qat')}.{precision}"
    work.job.console.say(f"convert   {name} to {target}")
    path = work.out / "models" / f"{name}.{target}"
    made_from = _export(target, precision, source, path, work)
    _note(source, path, target, precision, work)
    work.parity.append(_parity(source, work.models[-1], work))
    if made_from is not None:
        rows, parity = _same_graph(path, made_from, work)
        work.parity.append(parity)
        if precision == "int8":
            work.scales.extend(rows)


def _export(target: str, precision: str, source: Source, path: Path, work: Work) -> Path | None:
    """Write the file; for an ONNX file that is made from a TFLite file, the latter."""
    from targets.formats import onnx_qdq, tflite

    model, spec = source.serve, source.input
    match target, precision:
        case "tflite", "float32":
            tflite.export_float(model, spec, path)
        case "tflite", "float16":
            tflite.export_float16(model, spec, path)
        case "tflite", "dynamic":
            tflite.export_dynamic(model, spec, path)
        case "tflite", "int8":
            tflite.export_int8(model, spec, path)
        case "tflite", "int8_ptq":
            tflite.export_int8_ptq(model, spec, _calibration(work), path)
        case "tflite", "int16x8":
            tflite.export_int16x8(model, spec, _calibration(work), path)
        case "onnx", "float32":
            onnx_qdq.export_float(model, spec, path)
        case _:
            # The same quantized graph: from the TFLite file, also where that is not asked for.
            made_from = path.with_suffix(".tflite")
            if not made_from.exists():
                made_from = work.job.scratch / made_from.name
                _export("tflite", precision, source, made_from, work)
            onnx_qdq.export_int8(made_from, path)
            return made_from
    return None


def _calibration(work: Work) -> "npt.NDArray[np.uint8]":
    """Training images, evenly spaced: the seed is not among what decides a conversion."""
    import numpy as np

    from pipeline.datasets.splits import Split

    images = work.data[Split.TRAIN].images
    chosen = np.linspace(0, len(images) - 1, min(CALIBRATION_SAMPLES, len(images))).astype(int)
    return np.asarray(images[chosen])


def _note(source: Source, path: Path, target: str, precision: str, work: Work) -> None:
    work.models.append(
        ExportedModel(
            name=path.name,
            role=source.role,
            format=target,
            precision=precision,
            file=str(path.relative_to(work.out)),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size_bytes=path.stat().st_size,
            parameters=source.parameters,
            macs=source.macs,
        )
    )


def _bring(teacher: Teacher, opened: "OpenTeacher", work: Work) -> None:
    """The user's own .onnx or .tflite as it is: it is measured in its own runtime."""
    path = work.out / "models" / teacher.file
    shutil.copyfile(teacher.path, path)
    work.models.append(
        ExportedModel(
            name=path.name,
            role="teacher",
            format=opened.kind,
            precision="float32" if opened.scalable else "int8",
            file=str(path.relative_to(work.out)),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size_bytes=path.stat().st_size,
            parameters=teacher.parameters,
            macs=teacher.macs,
            adapter=opened.adapter,
        )
    )


def _precomputed(opened: "OpenTeacher", work: Work) -> str | None:
    """Keep what a teacher that is no file says of the test split, if it says it."""
    import numpy as np

    from pipeline.datasets.splits import Split

    logits = None if opened.splits is None else opened.splits.get(Split.TEST)
    if logits is None:
        return None
    np.save(work.out / "teacher_logits.npy", logits)
    return "teacher_logits.npy"


def _parity(source: Source, model: ExportedModel, work: Work) -> Parity:
    """The file in its runtime against the network it came from, on the validation split."""
    from pipeline.datasets.splits import Split

    images = work.data[Split.VAL].images
    parity = _compared(
        model.name, model.format, model.precision, source.role, source.logits(images), images, work
    )
    largest = max(1.0, float(abs(source.logits(images)).max()))
    if model.precision == "float32":
        proved = parity.max_abs_diff <= FLOAT_TOLERANCE * largest and parity.agreement == 1.0
    else:
        from targets import metrics

        proved = metrics.wilson_interval(parity.agreement, len(images))[1] >= INT8_AGREEMENT
    if not proved:
        raise ProofError(
            f"{parity.name}: differs from the network it was made from: "
            f"{100 * parity.agreement:.2f} % equal labels on {parity.samples} validation samples, "
            f"logits up to {parity.max_abs_diff:.3g} apart. Nothing was published."
        )
    return parity


def _same_graph(path: Path, made_from: Path, work: Work) -> tuple[tuple[ScaleRow, ...], Parity]:
    """Both int8 files are one quantized graph: the same scales, and the same labels."""
    from pipeline.datasets.splits import Split
    from targets.bench.protocol import logits_of
    from targets.formats import onnx_qdq

    rows = onnx_qdq.scale_table(made_from, path)
    # Without its labels: nothing is chosen by this.
    images = work.data[Split.TEST].images
    expected = logits_of(made_from, "tflite", images, work.job.scratch)
    parity = _compared(
        path.name, "onnx", path.stem.rpartition(".")[2], made_from.name, expected, images, work
    ).model_copy(update={"scales_equal": all(row.equal for row in rows)})
    if parity.agreement < SAME_GRAPH_AGREEMENT:
        raise ProofError(
            f"{path.name}: gives the labels of {made_from.name} for {100 * parity.agreement:.2f} % "
            f"of {parity.samples} test images only, though both are one quantized graph. Nothing "
            "was published."
        )
    return rows, parity


def _compared(
    name: str,
    target: str,
    precision: str,
    source: str,
    expected: "npt.NDArray[np.float32]",
    images: Any,
    work: Work,
) -> Parity:
    import numpy as np

    from targets import metrics
    from targets.bench.protocol import logits_of

    path = work.out / "models" / name
    seen = logits_of(path, target, images, work.job.scratch)
    int8_ops, float_ops = _operators(target, path)
    return Parity(
        name=name,
        format=target,
        precision=precision,
        source=source,
        samples=len(images),
        agreement=metrics.agreement(expected, seen),
        max_abs_diff=float(np.max(np.abs(expected - seen))),
        int8_ops=int8_ops,
        float_ops=float_ops,
        scales_equal=None,
    )


def _operators(target: str, path: Path) -> tuple[int, int]:
    from targets.formats import onnx_qdq, tflite

    seen = tflite.inspect(path) if target == "tflite" else onnx_qdq.inspect(path)
    return seen.int8_ops, seen.float_ops


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
