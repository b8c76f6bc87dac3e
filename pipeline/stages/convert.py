"""Write the requested formats, and show that each file is what was asked for."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.artifacts import Checkpoint, DatasetSummary, Exports, Teacher
from pipeline.engine.job import Job
from pipeline.recipe.schema import ConvertConfig
from targets.errors import ConversionError, ProofError
from targets.formats.export import Source
from targets.formats.record import (
    EVERY_PROCESSOR,
    VNNI_OR_ARM,
    ExportedModel,
    Parity,
    ProcessorProof,
    ScaleRow,
)

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.teachers.source import OpenTeacher


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to export: as a graph, and as a function of raw samples."""

    role: str
    source: Source
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
    processors: list[ProcessorProof] = field(default_factory=list)
    refused: dict[str, ProofError] = field(default_factory=dict)
    """Name of a file -> why it is not proved."""


def run(
    cfg: ConvertConfig,
    out: Path,
    *,
    job: Job,
    teacher: Teacher,
    distill: Checkpoint,
    quantize: Checkpoint | None = None,
) -> Exports:
    """Every requested file, or a `ProofError` with every reason.

    The results of a run are delivered as a whole: its table and its gates compare all files.
    """
    from pipeline.teachers.stored import open_stored
    from pipeline.training import session

    session.start(seed=job.recipe.seed, threads=job.recipe.threads)
    work = Work(job=job, data=job.dataset(), out=out)
    (out / "models").mkdir(parents=True)
    opened = open_stored(teacher, work.data, threads=job.recipe.threads)
    teacher_source = _teacher(teacher, opened, work)
    student = _student("student", distill, work)
    quantized = student if quantize is None else _student("student_qat", quantize, work)
    for target in dict.fromkeys(cfg.targets):
        if teacher_source is not None:
            _write_teacher(target, teacher, teacher_source, work)
        for precision in dict.fromkeys(cfg.precisions):
            _write(target, precision, quantized if precision == "int8" else student, work)
    _require_all(work)
    if opened.adapter is not None:
        _bring(teacher, opened, work)
    return Exports(
        folder=out,
        input=work.data.input,
        dataset=_summary(work.data),
        models=tuple(work.models),
        parity=tuple(work.parity),
        scales=tuple(work.scales),
        processors=tuple(work.processors),
        teacher_logits=_precomputed(opened, work),
    )


def _teacher(teacher: Teacher, opened: "OpenTeacher", work: Work) -> Network | None:
    """The teacher as a network to export; None where it is a file, or no network at all."""
    from pipeline.teachers.source import raw_input

    serve, spec = opened.serve, work.data.input
    if opened.serve_raw is not None:
        serve, spec = opened.serve_raw, raw_input(spec)
    if serve is None:
        return None
    return Network(
        role="teacher",
        source=Source(spec, serve),
        logits=opened.logits,
        parameters=teacher.parameters,
        macs=teacher.macs,
    )


def _student(role: str, checkpoint: Checkpoint, work: Work) -> Network:
    from pipeline.models.network import build, load_weights
    from pipeline.quantization.qat import QuantizedNetwork
    from pipeline.training.inference import make_predict

    spec = work.data.input
    model = build(checkpoint.network)
    if checkpoint.quantized:
        model = QuantizedNetwork(model, spec).model
    load_weights(model, checkpoint.weights)
    return Network(
        role=role,
        source=Source(spec, lambda image: model(image, training=False)),
        logits=make_predict(model, spec),
        parameters=checkpoint.parameters,
        macs=checkpoint.macs,
    )


def _require_all(work: Work) -> None:
    if not work.refused:
        return
    proved = ", ".join(model.name for model in work.models) or "none"
    raise ProofError(
        f"convert: {len(work.refused)} of {len(work.refused) + len(work.models)} files are not "
        "proved. The results are delivered as a whole, so that nothing is published; what was "
        "trained is kept, and the same command with other --target or --set convert.precisions "
        f"goes on from there. Proved: {proved}. Not proved:\n- "
        + "\n- ".join(map(str, work.refused.values()))
    )


def _write_teacher(target: str, teacher: Teacher, network: Network, work: Work) -> None:
    """A network that somebody else made can teach also where a format has no form for it."""
    _write(target, "float32", network, work)
    error = work.refused.get(f"{network.role}.float32.{target}")
    if isinstance(error, ConversionError) and teacher.asked is not None:
        del work.refused[f"{network.role}.float32.{target}"]
        work.job.console.say(f"convert   the teacher is not measured as {target}: {error}")


def _write(target: str, precision: str, network: Network, work: Work) -> None:
    """Write one file, prove it, and note it down; or note why it is not proved."""
    name = f"{network.role.removesuffix('_qat')}.{precision}"
    work.job.console.say(f"convert   {name} to {target}")
    path = work.out / "models" / f"{name}.{target}"
    before = len(work.models), len(work.parity)
    try:
        _prove(path, target, precision, network, work)
    except ProofError as error:
        del work.models[before[0] :], work.parity[before[1] :]
        path.unlink(missing_ok=True)
        work.refused[path.name] = error


def _prove(path: Path, target: str, precision: str, network: Network, work: Work) -> None:
    from pipeline.datasets.splits import Split
    from targets.formats.export import evenly, export, saying_what_to_try

    given: dict[str, Any] = {
        "samples": evenly(work.data[Split.TRAIN].images),
        "scratch": work.job.scratch,
    }
    made_from = export(
        target,
        precision,
        network.source,
        path,
        refused=work.refused,
        onnx_weights=work.job.recipe.convert.onnx_weights,
        **given,
    )
    _note(network, path, target, precision, work)
    with saying_what_to_try(precision, network.source, made_from or path, **given):
        work.parity.append(_against_network(network, work.models[-1], work))
    if made_from is not None:
        rows, parity = _against_tflite(work.models[-1], made_from, work)
        work.parity.append(parity)
        if precision == "int8" or "int8" not in work.job.recipe.convert.precisions:
            work.scales.extend(rows)
        _prove_on_processors(made_from, path, work)


def _note(network: Network, path: Path, target: str, precision: str, work: Work) -> None:
    work.models.append(
        ExportedModel(
            name=path.name,
            role=network.role,
            format=target,
            precision=precision,
            file=str(path.relative_to(work.out)),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size_bytes=path.stat().st_size,
            parameters=network.parameters,
            macs=network.macs,
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
            precision=_precision(opened, path),
            file=str(path.relative_to(work.out)),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size_bytes=path.stat().st_size,
            parameters=teacher.parameters,
            macs=teacher.macs,
            adapter=opened.adapter,
        )
    )


def _precision(opened: "OpenTeacher", path: Path) -> str:
    """Of the user's file: what its input takes does not say what it calculates in."""
    from targets.formats.export import operators

    if opened.parameters is not None:
        return "float32"
    _, float_ops = operators(opened.kind, path)
    return "mixed" if float_ops else "int8"


def _precomputed(opened: "OpenTeacher", work: Work) -> str | None:
    """Keep what a teacher that is no file says of the test split, if it says it."""
    import numpy as np

    from pipeline.datasets.splits import Split
    from pipeline.teachers.source import split_logits

    if any(model.role == "teacher" for model in work.models):
        return None
    logits = split_logits(opened, work.data, Split.TEST)
    if logits is None:
        return None
    np.save(work.out / "teacher_logits.npy", logits)
    return "teacher_logits.npy"


def _against_network(network: Network, model: ExportedModel, work: Work) -> Parity:
    """The file in its runtime against the network it came from, on the validation split."""
    from pipeline.datasets.splits import Split
    from targets.evaluation.parity import require_parity

    images = work.data[Split.VAL].images
    agreement, difference = require_parity(
        model.name,
        model.precision,
        expected=network.logits(images),
        seen=_answers(work.out / model.file, model.format, images, work),
    )
    return _parity(model, network.role, len(images), agreement, difference, work)


def _against_tflite(
    model: ExportedModel, made_from: Path, work: Work
) -> tuple[tuple[ScaleRow, ...], Parity]:
    """Both int8 files are one quantized graph: the same scales, and the same labels of the test
    split, whose own labels nobody looks at."""
    from pipeline.datasets.splits import Split
    from targets.evaluation.parity import require_same_labels
    from targets.formats.onnx import qdq

    path = work.out / model.file
    rows = qdq.scale_table(made_from, path)
    images = work.data[Split.TEST].images
    agreement, difference = require_same_labels(
        model.name,
        made_from.name,
        expected=_answers(made_from, "tflite", images, work),
        seen=_answers(path, model.format, images, work),
    )
    parity = _parity(model, made_from.name, len(images), agreement, difference, work)
    found = {
        "scales_equal": all(row.equal for row in rows),
        "holds_on": VNNI_OR_ARM if qdq.saturating_products(path) else EVERY_PROCESSOR,
    }
    return rows, parity.model_copy(update=found)


def _prove_on_processors(tflite: Path, onnx: Path, work: Work) -> None:
    from pipeline.datasets.splits import Split
    from targets.formats.export import evenly
    from targets.processors.proof import SAMPLES, prove

    names = work.job.recipe.convert.prove_on
    if not names:
        return
    work.job.console.say(f"convert   {onnx.name} on {', '.join(names)}, emulated")
    samples = evenly(work.data[Split.TEST].images, SAMPLES)
    work.processors.extend(
        prove(tflite=tflite, onnx=onnx, samples=samples, on=names, scratch=work.job.scratch)
    )


def _answers(path: Path, target: str, images: Any, work: Work) -> Any:
    from targets.bench.plan import logits_of

    return logits_of(path, target, images, work.job.scratch)


def _parity(
    model: ExportedModel, source: str, samples: int, agreement: float, difference: float, work: Work
) -> Parity:
    from targets.formats.export import operators

    int8_ops, float_ops = operators(model.format, work.out / model.file)
    return Parity(
        name=model.name,
        format=model.format,
        precision=model.precision,
        source=source,
        samples=samples,
        agreement=agreement,
        max_abs_diff=difference,
        int8_ops=int8_ops,
        float_ops=float_ops,
        scales_equal=None,
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
