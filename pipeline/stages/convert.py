"""Write the requested files, each proved by the exporter; all are delivered, or none."""

import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.artifacts import Checkpoint, DatasetSummary, Exports, Teacher
from pipeline.engine.job import Job
from pipeline.export.confidence import fit_all, with_probabilities
from pipeline.export.exporter import (
    Exporter,
    Network,
    ProvedFile,
    Refused,
    SampleSets,
    recorded,
)
from pipeline.recipe.files import ConvertConfig
from targets.errors import ConversionError, DeviceError, ProofError
from targets.formats import FORMATS, sidecar
from targets.formats.confidence import Confidence
from targets.formats.contract import ServingFunction
from targets.formats.precisions import PRECISIONS
from targets.formats.record import ExportedModel, TakenApart
from targets.formats.streaming import WordThreshold

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.teachers.contract import OpenTeacher

TEACHER_PRECISION = "float32"
MIXED = "mixed"
Requested = Iterable[tuple[Network, str, str]]
"""A network, a format and a precision for each file."""


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
    from pipeline.datasets.splits import Split
    from pipeline.export import apart, layer_noise, mixed_files, students
    from pipeline.teachers.stored import open_stored
    from pipeline.training import session

    def data_of(model: ExportedModel) -> "Dataset":
        return teacher_data if model.role == "teacher" else data

    session.start(seed=job.recipe.seed, threads=job.recipe.threads)
    data, teacher_data, folder = job.dataset(), job.teacher_dataset(), out / "models"
    folder.mkdir(parents=True)
    opened = open_stored(teacher, teacher_data, threads=job.recipe.threads)
    networks = [students.student("student", distill, data)]
    if quantize is not None:
        networks.append(students.student("student_qat", quantize, data))
    chosen = mixed_files.layers(cfg, distill, quantize, data, say=job.console.say)
    mixed = students.mixed("student_qat", quantize, data, chosen) if quantize and chosen else None
    exporter = _exporter(cfg, folder, job, data)
    requested = _requested(cfg, _teacher(teacher, opened, teacher_data), networks, mixed)
    files = export_all(requested, exporter, optional=() if teacher.asked is None else ("teacher",))
    parts = _parts(cfg, files, data, out, job)  # before anything is appended to the files
    labels = data[Split.VAL].labels
    confidence = fit_all(files, labels, classes=data.classes, config=job.recipe.confidence)
    if cfg.probabilities:  # after all proofs: a file may be made from that of another format
        append = partial(with_probabilities, confidence, folder=out, scratch=job.scratch)
        files = [append(file, samples=data_of(file.record)[Split.VAL].raw) for file in files]
    models = [file.record for file in files]
    if opened.adapter is not None:
        models.append(_user_file(teacher, opened, teacher_data, folder))
    streaming = _streaming(job, data, out, models, confidence)
    for model in models:
        known = confidence.get(model.name), streaming.get(model.name)
        _describe(out / model.file, model, data_of(model), *known)
    apart.describe(
        out,
        parts,
        classes=data.classes,
        input=data.input,
        windowing=data.windowing,
        confidence=confidence,
        streaming=streaming,
    )
    if data.tokenizer is not None:
        data.tokenizer.write(folder)
    return Exports(
        folder=out,
        input=data.input,
        dataset=_summary(data),
        models=tuple(models),
        parity=tuple(row for file in files for row in file.parity),
        scales=tuple(row for file in files if _in_scale_table(file, cfg) for row in file.scales),
        processors=tuple(row for file in files for row in file.processors),
        parts=parts,
        confidence=confidence,
        streaming=streaming,
        layer_noise=layer_noise.measured(
            files,
            students=[distill] if quantize is None else [distill, quantize],
            data=data,
            scratch=job.scratch,
            say=job.console.say,
        ),
        float_layers=mixed_files.gained(cfg, chosen, files, networks[0], data),
        teacher_logits=_precomputed(opened, models, teacher_data, out),
    )


def _parts(
    cfg: ConvertConfig, files: Sequence[ProvedFile], data: "Dataset", out: Path, job: Job
) -> tuple[TakenApart, ...]:
    """The student's int8 files as two, where the recipe asks for it."""
    from pipeline.datasets.splits import Split
    from pipeline.export.apart import Parts

    if not cfg.front_end_apart:
        return ()
    into = Parts(out=out, scratch=job.scratch, input=data.input, say=job.console.say)
    return tuple(into.of(files, data[Split.VAL].raw))


def _exporter(cfg: ConvertConfig, folder: Path, job: Job, data: "Dataset") -> Exporter:
    return Exporter(
        folder=folder,
        scratch=job.scratch,
        samples=_samples(data),
        options={target: cfg.options(target) for target in cfg.targets},
        prove_on=cfg.prove_on,
        say=job.console.say,
    )


def _samples(data: "Dataset") -> SampleSets:
    from pipeline.datasets.splits import Split

    return SampleSets(
        calibration=data[Split.TRAIN].raw,
        comparison=data[Split.VAL].raw,
        pair=lambda: data[Split.TEST].raw,  # without its labels
    )


def _teacher(teacher: Teacher, opened: "OpenTeacher", data: "Dataset") -> Network | None:
    """The teacher as a network to export; None for a model file and for precomputed logits."""
    from pipeline.teachers.contract import raw_input

    call, spec = opened.serve, data.input
    if opened.serve_raw is not None:
        call, spec = opened.serve_raw, raw_input(spec)
    if call is None:
        return None
    function = ServingFunction(input=spec, call=call)
    return Network(
        name="teacher",
        role="teacher",
        function=lambda precision, file: function,
        logits=opened.logits,
        parameters=teacher.parameters,
        macs=teacher.macs,
        samples=_samples(data),
    )


def _requested(
    cfg: ConvertConfig,
    teacher: Network | None,
    students: Sequence[Network],
    mixed: Network | None,
) -> Requested:
    """Every file; `students` are the float network and the quantization-aware one."""
    for target in dict.fromkeys(cfg.targets):
        if teacher is not None:
            yield teacher, target, TEACHER_PRECISION
        for precision in dict.fromkeys(cfg.precisions):
            aware = PRECISIONS[precision].quantization_aware
            yield students[-1 if aware else 0], target, precision
        if mixed is not None:
            yield mixed, target, MIXED


def export_all(
    requested: Requested, exporter: Exporter, *, optional: Container[str] = ()
) -> list[ProvedFile]:
    """Every file, or a `ProofError` with all reasons.

    A format may have no form for the networks of the `optional` roles.
    """
    files: list[ProvedFile] = []
    refused: list[Refused] = []
    for network, target, precision in requested:
        file = exporter.export(network, target, precision)
        if isinstance(file, ProvedFile):
            files.append(file)
        elif isinstance(file.error, DeviceError):
            raise file.error
        elif network.role in optional and isinstance(file.error, ConversionError):
            exporter.say(f"convert   the {network.role} is not measured as {target}: {file.error}")
        else:
            refused.append(file)
    if refused:
        raise _not_proved(files, refused)
    return files


def _not_proved(files: Sequence[ProvedFile], refused: Sequence[Refused]) -> ProofError:
    proved = ", ".join(file.record.name for file in files) or "none"
    return ProofError(
        f"convert: {len(refused)} of {len(refused) + len(files)} files are not "
        "proved. The results are delivered as a whole, so that nothing is published; what was "
        "trained is kept, and the same command with other --target or --set convert.precisions "
        f"goes on from there. Proved: {proved}. Not proved:\n- "
        + "\n- ".join(str(file.error) for file in refused)
    )


def _describe(
    path: Path,
    model: ExportedModel,
    data: "Dataset",
    confidence: Confidence | None,
    streaming: WordThreshold | None,
) -> None:
    """Write the sidecar of a file, which takes the samples of `data`."""
    sidecar.write(
        path,
        record=model,
        classes=data.classes,
        input=data.input,
        preprocessing=data.preprocessing,
        tokenizer=None if data.tokenizer is None else data.tokenizer.record,
        windowing=data.windowing,
        confidence=confidence,
        streaming=streaming,
    )


def _streaming(
    job: Job,
    data: "Dataset",
    out: Path,
    models: Sequence[ExportedModel],
    confidence: Mapping[str, Confidence],
) -> dict[str, WordThreshold]:
    """The thresholds of the student's files in a long sound, by name."""
    cfg = job.recipe.streaming
    if not cfg.enabled:
        return {}
    from pipeline.streams import detecting

    job.console.say("convert   thresholds of words in a long sound")
    files = {out / model.file: model for model in models if model.role != "teacher"}
    return detecting.thresholds(cfg, data, files, confidence, scratch=job.scratch)


def _user_file(
    teacher: Teacher, opened: "OpenTeacher", data: "Dataset", folder: Path
) -> ExportedModel:
    """A copy of the user's model file: it is measured in its own runtime."""
    path = folder / teacher.file
    shutil.copyfile(teacher.path, path)
    return recorded(
        path,
        role="teacher",
        precision=_precision(opened, path),
        parameters=teacher.parameters,
        macs=teacher.macs,
        input_shape=data.input.shape,
        adapter=opened.adapter,
    )


def _precision(opened: "OpenTeacher", path: Path) -> str:
    """Return the precision of the user's file by its operators: the input does not show it."""
    if opened.parameters is not None:
        return "float32"
    return "mixed" if FORMATS[opened.kind].inspect(path).float_ops else "int8"


def _in_scale_table(file: ProvedFile, cfg: ConvertConfig) -> bool:
    """Whether the report's one scale table is of `file`: quantization-aware files go first."""
    aware = any(PRECISIONS[name].quantization_aware for name in cfg.precisions)
    if file.record.precision == MIXED:
        return False  # its tensors have the scales of the int8 file
    return PRECISIONS[file.record.precision].quantization_aware or not aware


def _precomputed(
    opened: "OpenTeacher", models: Sequence[ExportedModel], data: "Dataset", out: Path
) -> str | None:
    """Keep the logits of a teacher without a model file for the test split, if it has them."""
    import numpy as np

    from pipeline.datasets.splits import Split
    from pipeline.teachers.contract import split_logits

    if any(model.role == "teacher" for model in models):
        return None
    logits = split_logits(opened, data, Split.TEST)
    if logits is None:
        return None
    np.save(out / "teacher_logits.npy", logits)
    return "teacher_logits.npy"


def _summary(data: "Dataset") -> DatasetSummary:
    from pipeline.datasets.splits import Split

    return DatasetSummary(
        name=data.name,
        classes=data.classes,
        train=len(data[Split.TRAIN]),
        val=len(data[Split.VAL]),
        test=len(data[Split.TEST]),
        unlabelled=0 if data.unlabelled is None else len(data.unlabelled),
        sha256=data.sha256,
        kind=data.input.kind,
    )
