"""Measure every export on every device: latency, and accuracy over the whole test split."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.artifacts import AccuracyChange, Exports, Measured, Measurements
from pipeline.engine.job import Job
from pipeline.recipe.schema import BenchConfig
from targets.bench.tiers import TIERS
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from pipeline.datasets.splits import Samples
    from targets.bench.plan import BenchPlan
    from targets.bench.request import BenchRequest
    from targets.bench.result import BenchResult
    from targets.bench.session import DeviceResult
    from targets.bench.summary import ComparisonRow, Range, SummaryRow


def run(cfg: BenchConfig, out: Path, *, job: Job, convert: Exports) -> Measurements:
    if not cfg.enabled:
        rows = tuple(Measured(name=model.name) for model in convert.models)
        return Measurements(folder=out, exports=convert.folder, rows=rows, devices={})
    from pipeline.datasets.splits import Split
    from targets.bench.session import measure_all
    from targets.devices import inventory
    from targets.evaluation import metrics

    test = job.dataset()[Split.TEST]
    results = measure_all(
        [inventory.device(name) for name in dict.fromkeys(cfg.devices)],
        _request(cfg, job, convert, test),
        out=out / "bench",
        scratch=job.scratch,
        say=job.console.say,
    )
    failures = {one.device: one.failure for one in results if one.failure is not None}
    if len(failures) == len(results):
        raise next(iter(failures.values()))
    measured = [_rows(one, convert, test.labels) for one in results]
    return Measurements(
        folder=out,
        exports=convert.folder,
        rows=tuple(row for one in measured for row in one.rows),
        devices={one.device: dict(one.described) for one in results if one.failure is None},
        failed={device: str(error) for device, error in failures.items()},
        majority_share=metrics.most_frequent_share(test.labels),
        notes=tuple(dict.fromkeys(note for one in measured for note in one.notes)),
    )


def _request(cfg: BenchConfig, job: Job, exports: Exports, test: "Samples") -> "BenchRequest":
    """Every file of the run, compared with its teacher's."""
    from targets.bench.plan import store
    from targets.bench.request import BenchRequest
    from targets.bench.samples import LabelledSamples

    samples = job.scratch / "test.npy"
    store(test.images, samples)
    return BenchRequest(
        models=tuple(exports.path(model) for model in exports.models),
        exports={exports.path(model): model for model in exports.models},
        baselines={
            exports.path(model): exports.path(teacher)
            for model in exports.models
            if (teacher := _teacher_of(model, exports)) is not None
        },
        threads=(cfg.threads,),
        samples=LabelledSamples(
            path=samples,
            shape=test.images.shape[1:],
            dtype=test.images.dtype,
            count=len(test.labels),
            labels=test.labels,
            source=exports.dataset.name,
        ),
        plan=_plan(cfg, job.recipe.seed),
        timeout_s=cfg.timeout_s,
    )


def _plan(cfg: BenchConfig, seed: int) -> "BenchPlan":
    from targets.bench.plan import BenchPlan

    numbers = cfg.model_dump(exclude={"enabled", "devices", "threads", "tier", "timeout_s"})
    is_tier = TIERS[cfg.tier]._asdict().items() <= numbers.items()
    return BenchPlan(tier=cfg.tier if is_tier else None, seed=seed, **numbers)


@dataclass(frozen=True, kw_only=True)
class DeviceRows:
    """One row per model, and notes on what the accuracies do not show."""

    rows: tuple[Measured, ...]
    notes: tuple[str, ...] = ()


def _rows(result: "DeviceResult", exports: Exports, labels: "npt.NDArray[np.int64]") -> DeviceRows:
    """The rows of a device that failed hold the reason."""
    if result.document is None:
        why = (str(result.failure),)
        return DeviceRows(
            rows=tuple(
                Measured(name=model.name, device=result.device, valid=False, invalid_reasons=why)
                for model in exports.models
            )
        )
    seen = Seen(
        document=result.document,
        logits=result.outputs,
        labels=labels,
        teacher_logits=teacher_logits(exports),
    )
    rows = tuple(
        _row(result.device, model, _teacher_of(model, exports), _before(model, exports), seen)
        for model in exports.models
    )
    return DeviceRows(rows=rows, notes=_notes(rows, exports, seen))


def _notes(rows: tuple[Measured, ...], exports: Exports, seen: "Seen") -> tuple[str, ...]:
    """Models at chance, and a float student that is better than its teacher."""
    from pipeline.reporting import notes
    from targets.evaluation import metrics

    shares = {row.name: row.top1 for row in rows if row.top1 is not None}
    found = [notes.at_chance(shares, seen.labels, exports.dataset.classes, what="test")]
    students = [model for model in exports.models if model.role != "teacher"]
    student = min(students, key=lambda m: m.precision != "float32", default=None)
    if student is not None:
        teacher = _teachers_logits(_teacher_of(student, exports), seen)
        if teacher is not None:
            right = metrics.right(seen.logits[student.name], seen.labels)
            teachers = metrics.right(teacher, seen.labels)
            found.append(notes.outdone_teacher(student=right, teacher=teachers))
    return tuple(filter(None, found))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The observations of one device."""

    document: "BenchResult"
    logits: "Mapping[str, npt.NDArray[np.float32]]"
    labels: "npt.NDArray[np.int64]"
    teacher_logits: "npt.NDArray[np.float32] | None"
    """Of a teacher that is no file: its logits were computed before."""

    def latency(self, name: str) -> "SummaryRow":
        return next(row for row in self.document.summary if row.model == name)

    def compared(self, name: str) -> "ComparisonRow | None":
        return next((row for row in self.document.comparison if row.candidate == name), None)


def _teacher_of(model: ExportedModel, exports: Exports) -> ExportedModel | None:
    """The teacher in the same format, and so in the same runtime; else its own file in another.

    None where no file is the teacher: its logits were computed before.
    """
    teachers = [m for m in exports.models if m.role == "teacher"]
    # A stable sort: the same format comes first, and within it the order of the exports.
    return next(iter(sorted(teachers, key=lambda m: m.format != model.format)), None)


def teacher_logits(exports: Exports) -> "npt.NDArray[np.float32] | None":
    """Those over the test split that came without a file that could be measured."""
    import numpy as np

    if exports.teacher_logits is None:
        return None
    from targets.evaluation import metrics

    logits: npt.NDArray[np.float32] = np.load(
        exports.folder / exports.teacher_logits, allow_pickle=False
    )
    metrics.require_finite(logits, model="the teacher's logits")
    return logits


def _before(model: ExportedModel, exports: Exports) -> ExportedModel | None:
    """What the model was made from: the teacher before the student, the float student before its
    quantized files."""
    if model.role == "teacher":
        return None
    floats = [m for m in exports.models if (m.role, m.precision) == ("student", "float32")]
    if (model.role == "student" and model.precision == "float32") or not floats:
        return _teacher_of(model, exports)
    return min(floats, key=lambda m: m.format != model.format)


def _row(
    device: str,
    model: ExportedModel,
    teacher: ExportedModel | None,
    before: ExportedModel | None,
    seen: Seen,
) -> Measured:
    from pipeline.reporting.disturbances import note_of
    from targets.evaluation import metrics

    latency = seen.latency(model.name)
    logits = seen.logits[model.name]
    share = metrics.top1(logits, seen.labels)
    return Measured(
        name=model.name,
        device=device,
        runtime=latency.runtime,
        threads=seen.document.protocol.threads,
        top1=share,
        top1_ci=metrics.wilson_interval(share, len(seen.labels)),
        ece=metrics.expected_calibration_error(logits, seen.labels),
        median_ns=latency.median_ns,
        median_ci=_ends(latency.median_ci),
        p90_ns=latency.p90_ns,
        peak_memory_bytes=latency.peak_memory_bytes,
        valid=latency.valid,
        invalid_reasons=latency.invalid_reasons,
        blocks=latency.n_processes,
        disturbances=tuple(one.model_dump() for one in latency.disturbances),
        latency_note=note_of(latency, emulated=seen.document.device.emulated),
        accuracy_change=_accuracy_change(logits, before, seen),
        **_fidelity(logits, teacher, seen),
        **_regressions(logits, before, seen),
        **_speed(model.name, seen),
    )


def _fidelity(
    logits: "npt.NDArray[np.float32]", teacher: ExportedModel | None, seen: Seen
) -> dict[str, Any]:
    """Against the teacher's logits; nothing where there are none over the test split."""
    from targets.evaluation import metrics

    baseline = _teachers_logits(teacher, seen)
    if baseline is None:
        return {}
    return {
        "agreement_with_teacher": metrics.agreement(logits, baseline),
        "kl_to_teacher": metrics.kl_divergence(reference=baseline, model=logits),
    }


def _teachers_logits(teacher: ExportedModel | None, seen: Seen) -> "npt.NDArray[np.float32] | None":
    return seen.teacher_logits if teacher is None else seen.logits[teacher.name]


def _regressions(
    logits: "npt.NDArray[np.float32]", before: ExportedModel | None, seen: Seen
) -> dict[str, Any]:
    """What was right before and is wrong now, and the class that lost most."""
    from targets.evaluation import metrics

    if before is None:
        return {}
    baseline, labels = seen.logits[before.name], seen.labels
    return {
        "negative_flip_rate": metrics.negative_flip_rate(
            before=baseline, after=logits, labels=labels
        ),
        "worst_class_change": metrics.worst_class_change(
            before=baseline, after=logits, labels=labels
        ),
    }


def _accuracy_change(
    logits: "npt.NDArray[np.float32]", before: ExportedModel | None, seen: Seen
) -> AccuracyChange | None:
    """Of a file that was made from the float student."""
    from targets.evaluation import metrics, significance

    if before is None or before.role == "teacher":
        return None
    paired = significance.mcnemar(
        before=metrics.right(seen.logits[before.name], seen.labels),
        after=metrics.right(logits, seen.labels),
    )
    return AccuracyChange(
        reference=before.name,
        gain=paired.gain,
        interval=paired.interval,
        p_value=paired.p_value,
    )


def _speed(name: str, seen: Seen) -> dict[str, Any]:
    """Against the teacher's file in its runtime; nothing where it has no file."""
    compared = seen.compared(name)
    if compared is None:
        return {}
    return {
        "speedup_vs_teacher": compared.ratio,
        "speedup_ci": _ends(compared.ratio_ci),
        "speedup_verdict": compared.verdict,
        "teacher_runtime": compared.baseline_runtime,
    }


def _ends(interval: "Range | None") -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)
