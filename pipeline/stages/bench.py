"""Measure every export on every device: latency, and accuracy over the whole test split."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from pipeline.engine.artifacts import AccuracyChange, Exports, Measured, Measurements
from pipeline.engine.job import Job
from pipeline.recipe.schema import BenchConfig
from targets.bench.tiers import TIERS
from targets.errors import DeviceError
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from targets.bench.plan import Bench, Protocol, Subject
    from targets.bench.result import Document
    from targets.bench.summary import ComparisonRow, Range, SummaryRow
    from targets.devices.connection import ReadyDevice
    from targets.devices.contract import Device


def run(cfg: BenchConfig, out: Path, *, job: Job, convert: Exports) -> Measurements:
    if not cfg.enabled:
        rows = tuple(Measured(name=model.name) for model in convert.models)
        return Measurements(folder=out, exports=convert.folder, rows=rows, devices={})
    from pipeline.datasets.splits import Split
    from targets.bench.plan import store
    from targets.devices import inventory
    from targets.devices.parallel import on_each_device
    from targets.evaluation import metrics

    test = job.dataset()[Split.TEST]
    samples = job.scratch / "test.npy"
    store(test.images, samples)
    (out / "bench").mkdir(exist_ok=True)
    work = Work(cfg=cfg, out=out, job=job, exports=convert, samples=samples, labels=test.labels)
    devices = [inventory.device(name) for name in dict.fromkeys(cfg.devices)]
    seen = on_each_device(devices, lambda device, stop: _tried(device, work, stop))
    errors = {one.device: one.error for one in seen if one.error is not None}
    if len(errors) == len(seen):
        raise next(iter(errors.values()))
    notes = tuple(dict.fromkeys(note for one in seen for note in one.notes))
    return Measurements(
        folder=out,
        exports=convert.folder,
        rows=tuple(row for one in seen for row in one.rows),
        devices={one.device: one.described for one in seen if one.error is None},
        failed={device: str(error) for device, error in errors.items()},
        majority_share=metrics.most_frequent_share(test.labels),
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is measured on every device."""

    cfg: BenchConfig
    out: Path
    job: Job
    exports: Exports
    samples: Path
    """.npy of the test split."""
    labels: "npt.NDArray[np.int64]"


@dataclass(frozen=True, kw_only=True)
class OneDevice:
    device: str
    rows: tuple[Measured, ...]
    described: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: DeviceError | None = None


def _tried(device: "Device", work: Work, stop: Event) -> OneDevice:
    """A device that fails is rows with its reason, so that the others are not lost."""
    try:
        return _measured(device, work, stop)
    except DeviceError as error:
        why = (str(error),)
        rows = tuple(
            Measured(name=model.name, device=device.name, valid=False, invalid_reasons=why)
            for model in work.exports.models
        )
        return OneDevice(device=device.name, rows=rows, error=error)


def _measured(device: "Device", work: Work, stop: Event) -> OneDevice:
    """The file of everything that was seen there, and a row per model."""
    from targets.bench.plan import Bench
    from targets.devices.connection import Requirements, connected

    cfg, exports = work.cfg, work.exports
    scratch = work.job.scratch / device.file_stem
    scratch.mkdir()
    several = len(set(cfg.devices)) > 1

    def say(text: str) -> None:
        work.job.console.say(f"{device.name}: {text}" if several else text)

    needed = Requirements(
        formats=[model.format for model in exports.models], timeout_s=cfg.timeout_s
    )
    with connected(device, needed, scratch=scratch, say=say, stop=stop) as there:
        bench = Bench(
            host=there.host,
            samples=work.samples,
            protocol=_protocol(cfg, work.job.recipe.seed),
            cpus=there.cpus,
        )
        seen = _seen(bench, _subjects(work, there), there, work, say)
    path = work.out / "bench" / f"{device.file_stem}.json"
    path.write_text(seen.document.dump(), encoding="utf-8")
    rows = tuple(
        _row(device.name, model, _teacher_of(model, exports), _before(model, exports), seen)
        for model in exports.models
    )
    return OneDevice(
        device=device.name, rows=rows, described=there.device, notes=_notes(rows, exports, seen)
    )


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


def _subjects(work: Work, there: "ReadyDevice") -> "list[Subject]":
    from targets.bench.plan import Subject

    return [
        Subject(
            name=model.name,
            format=model.format,
            path=work.exports.path(model),
            runtime=there.defaults[model.format],
            threads=work.cfg.threads,
            affinity=there.big_cores or None,
            adapter=model.adapter,
        )
        for model in work.exports.models
    ]


def _seen(
    bench: "Bench",
    subjects: "list[Subject]",
    there: "ReadyDevice",
    work: Work,
    say: Callable[[str], None],
) -> "Seen":
    from targets.bench import assemble
    from targets.bench.record import AccuracyPass, MemoryPass
    from targets.evaluation import metrics

    blocks = bench.latency(subjects, say=say)
    memory = [
        MemoryPass.model_validate({"model": s.name, **bench.once(s, "memory")}) for s in subjects
    ]
    say(f"bench     top-1 of {len(subjects)} models over {len(work.labels)} test samples")
    outputs = {subject.name: bench.outputs(subject) for subject in subjects}
    for name, (logits, _) in outputs.items():
        if logits is not None:
            metrics.require_finite(logits, model=name)
    document = assemble.assemble(
        device=there.device,
        protocol=bench.protocol,
        models=[model.model_dump() for model in work.exports.models],
        blocks=blocks,
        memory=memory,
        baselines={
            model.name: teacher.name
            for model in work.exports.models
            if (teacher := _teacher_of(model, work.exports)) is not None
        },
        accuracy=[
            AccuracyPass.model_validate({"model": name, **record})
            for name, (_, record) in outputs.items()
        ],
    )
    return Seen(
        document=document,
        logits={name: logits for name, (logits, _) in outputs.items() if logits is not None},
        labels=work.labels,
        teacher_logits=teacher_logits(work.exports),
    )


def _protocol(cfg: BenchConfig, seed: int) -> "Protocol":
    from targets.bench.plan import Protocol

    numbers = cfg.model_dump(exclude={"enabled", "devices", "threads", "tier", "timeout_s"})
    is_tier = TIERS[cfg.tier]._asdict().items() <= numbers.items()
    return Protocol(tier=cfg.tier if is_tier else None, seed=seed, **numbers)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The observations of one device."""

    document: "Document"
    logits: "dict[str, npt.NDArray[np.float32]]"
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
