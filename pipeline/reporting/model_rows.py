"""The rows of one device, from its measurements and the scores of its models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.engine.artifacts import Exports
from pipeline.reporting.findings import notes as sentences
from pipeline.reporting.findings.disturbances import note_of
from pipeline.reporting.findings.label_suspects import probabilities, suspects
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.reporting.schema.model_row import (
    Accuracy,
    AccuracyChange,
    Fidelity,
    Interval,
    Latency,
    ModelFile,
    ModelRow,
    SpeedUp,
    Validity,
)
from pipeline.reporting.schema.per_class import PerClass
from targets.bench.result import BenchResult
from targets.bench.summary import Range
from targets.evaluation import confusion, metrics, significance
from targets.formats.record import ExportedModel

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class DeviceScores:
    """What was measured on one device."""

    device: str
    document: BenchResult
    logits: Mapping[str, Logits]
    """Logits by model, [test samples, classes]."""
    labels: metrics.Labels
    """Labels, [test samples]."""
    teacher_logits: Logits | None
    """Precomputed logits of a teacher that cannot be measured, [test samples, classes]."""


@dataclass(frozen=True, kw_only=True)
class DeviceRows:
    """A row per model, and what a reader of the accuracies must know."""

    rows: tuple[ModelRow, ...]
    notes: tuple[str, ...] = ()
    per_class: tuple[PerClass, ...] = ()
    label_suspects: tuple[LabelSuspect, ...] = ()
    """Test samples."""


def device_rows(scores: DeviceScores, exports: Exports, *, seed: int) -> DeviceRows:
    counts = _confusions(exports, scores)
    rows = measured_rows(scores, exports, counts, seed=seed)
    return DeviceRows(
        rows=rows,
        notes=notes(rows, exports, scores),
        per_class=tuple(PerClass.of(name, found) for name, found in counts.items()),
        label_suspects=_suspects(exports, scores),
    )


def failed_rows(exports: Exports, *, seed: int, device: str, reason: object) -> DeviceRows:
    rows = unmeasured_rows(exports, seed=seed, device=device, reason=str(reason))
    return DeviceRows(rows=rows)


def measured_rows(
    scores: DeviceScores, exports: Exports, counts: Mapping[str, confusion.Counts], *, seed: int
) -> tuple[ModelRow, ...]:
    return tuple(
        ModelRow.of(
            _file(model, seed),
            _accuracy(model, exports, scores, counts[model.name]),
            *_latency(model.name, scores),
            speed_up(model.name, scores.document),
        )
        for model in exports.models
    )


def unmeasured_rows(
    exports: Exports, *, seed: int, device: str | None = None, reason: str | None = None
) -> tuple[ModelRow, ...]:
    """Return the rows of a run without a bench, or of a device that failed for `reason`."""
    validity = Validity() if reason is None else Validity(valid=False, invalid_reasons=(reason,))
    return tuple(
        ModelRow.of(
            _file(model, seed),
            Accuracy(agreement_with_source=_agreement(model, exports)),
            Latency(device=device),
            validity,
        )
        for model in exports.models
    )


def notes(rows: tuple[ModelRow, ...], exports: Exports, scores: DeviceScores) -> tuple[str, ...]:
    """Models at chance, and a float student that is better than its teacher."""
    shares = {row.name: row.top1 for row in rows if row.top1 is not None}
    about, words = exports.dataset, exports.dataset.words
    found = [sentences.at_chance(shares, scores.labels, about.classes, what="test", words=words)]
    students = [model for model in exports.models if model.role != "teacher"]
    student = min(students, key=lambda m: m.precision != "float32", default=None)
    teacher = None if student is None else _teachers_logits(student, exports, scores)
    if student is not None and teacher is not None:
        found.append(
            sentences.outdone_teacher(
                student=metrics.right(scores.logits[student.name], scores.labels),
                teacher=metrics.right(teacher, scores.labels),
                words=words,
            )
        )
    return tuple(filter(None, found))


def teacher_of(model: ExportedModel, exports: Exports) -> ExportedModel | None:
    """Return the teacher's file in the format, and so the runtime, of `model`, else in another.

    None where the teacher has no file that can be measured: its logits were computed before.
    """
    teachers = [m for m in exports.models if m.role == "teacher"]
    return min(teachers, key=lambda m: m.format != model.format, default=None)


def source_of(model: ExportedModel, exports: Exports) -> ExportedModel | None:
    """Return what `model` was made from: the teacher for the float student, the float student for
    its quantized files."""
    if model.role == "teacher":
        return None
    floats = [m for m in exports.models if (m.role, m.precision) == ("student", "float32")]
    if (model.role == "student" and model.precision == "float32") or not floats:
        return teacher_of(model, exports)
    return min(floats, key=lambda m: m.format != model.format)


def _confusions(exports: Exports, scores: DeviceScores) -> dict[str, confusion.Counts]:
    classes = len(exports.dataset.classes)
    return {
        model.name: confusion.confusion(scores.logits[model.name], scores.labels, classes=classes)
        for model in exports.models
    }


def _suspects(exports: Exports, scores: DeviceScores) -> tuple[LabelSuspect, ...]:
    """The labels of the test split that the teacher contradicts most."""
    teacher = next((m for m in exports.models if m.role == "teacher"), None)
    logits = scores.teacher_logits if teacher is None else scores.logits[teacher.name]
    if logits is None or logits.shape[1] != len(exports.dataset.classes):
        return ()
    return suspects(
        probabilities(logits[None]), scores.labels, exports.dataset.classes, split="test"
    )


def _file(model: ExportedModel, seed: int) -> ModelFile:
    return ModelFile(seed=seed, **model.model_dump())


def _accuracy(
    model: ExportedModel, exports: Exports, scores: DeviceScores, counts: confusion.Counts
) -> Accuracy:
    labels, logits = scores.labels, scores.logits[model.name]
    top1 = metrics.top1(logits, labels)
    source = source_of(model, exports)
    fidelity = fidelity_of(
        logits,
        teacher=_teachers_logits(model, exports, scores),
        source=None if source is None else scores.logits[source.name],
        labels=labels,
    )
    return Accuracy(
        top1=top1,
        top1_ci=metrics.wilson_interval(top1, len(labels)),
        balanced_accuracy=confusion.balanced_accuracy(counts),
        macro_f1=confusion.macro_f1(counts),
        agreement_with_source=_agreement(model, exports),
        accuracy_change=_accuracy_change(logits, source, scores),
        **fidelity.model_dump(),
    )


def fidelity_of(
    logits: Logits, *, teacher: Logits | None, source: Logits | None, labels: metrics.Labels
) -> Fidelity:
    """Return the scores; `teacher`, `source`: their logits, [test samples, classes], if any."""
    agreement = kl = flips = worst = None
    if teacher is not None:
        agreement = metrics.agreement(logits, teacher)
        kl = metrics.kl_divergence(reference=teacher, model=logits)
    if source is not None:
        flips = metrics.negative_flip_rate(before=source, after=logits, labels=labels)
        worst = metrics.worst_class_change(before=source, after=logits, labels=labels)
    return Fidelity(
        agreement_with_teacher=agreement,
        kl_to_teacher=kl,
        ece=metrics.expected_calibration_error(logits, labels),
        negative_flip_rate=flips,
        worst_class_change=worst,
    )


def _teachers_logits(model: ExportedModel, exports: Exports, scores: DeviceScores) -> Logits | None:
    teacher = teacher_of(model, exports)
    return scores.teacher_logits if teacher is None else scores.logits[teacher.name]


def _agreement(model: ExportedModel, exports: Exports) -> float | None:
    """Return the agreement with its source that the export proved; None for a user's file."""
    return next((p.agreement for p in exports.parity if p.name == model.name), None)


def _accuracy_change(
    logits: Logits, source: ExportedModel | None, scores: DeviceScores
) -> AccuracyChange | None:
    """Return the change from the float student; None for a file that was not made from it."""
    if source is None or source.role == "teacher":
        return None
    paired = significance.mcnemar(
        before=metrics.right(scores.logits[source.name], scores.labels),
        after=metrics.right(logits, scores.labels),
    )
    return AccuracyChange(
        reference=source.name,
        gain=paired.gain,
        interval=paired.interval,
        p_value=paired.p_value,
    )


def _latency(name: str, scores: DeviceScores) -> tuple[Latency, Validity]:
    document = scores.document
    row = next(row for row in document.summary if row.model == name)
    return Latency(
        device=scores.device,
        runtime=row.runtime,
        threads=document.protocol.threads,
        median_ns=row.median_ns,
        median_ci=_ends(row.median_ci),
        p90_ns=row.p90_ns,
        latency_note=note_of(row, emulated=document.device.emulated),
        peak_memory_bytes=row.peak_memory_bytes,
    ), Validity(
        valid=row.valid,
        invalid_reasons=row.invalid_reasons,
        blocks=row.n_processes,
        disturbances=row.disturbances,
    )


def speed_up(name: str, document: BenchResult) -> SpeedUp:
    """Return the speed-up over the teacher's file in its runtime; empty where it has none."""
    row = next((row for row in document.comparison if row.candidate == name), None)
    if row is None:
        return SpeedUp()
    return SpeedUp(
        speedup_vs_teacher=row.ratio,
        speedup_ci=_ends(row.ratio_ci),
        speedup_verdict=row.verdict,
        teacher_runtime=row.baseline_runtime,
    )


def _ends(interval: Range | None) -> Interval | None:
    return None if interval is None else (interval.low, interval.high)
