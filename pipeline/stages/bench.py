"""Measure every export on every device: latency, and accuracy over the whole test split."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Exports, Measured, Measurements
from pipeline.recipe import BenchConfig
from pipeline.stages.job import Job
from targets.bench.tiers import TIERS
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from targets.bench.protocol import Protocol
    from targets.bench.result import Document
    from targets.bench.summary import ComparisonRow, Range, SummaryRow


def run(cfg: BenchConfig, out: Path, *, job: Job, convert: Exports) -> Measurements:
    rows: list[Measured] = []
    devices = {}
    if cfg.enabled:
        for device in dict.fromkeys(cfg.devices):
            devices[device], measured = _measure(cfg, out, job, convert, device)
            rows += measured
    else:
        rows = [Measured(name=model.name) for model in convert.models]
    return Measurements(folder=out, exports=convert.folder, rows=tuple(rows), devices=devices)


def _measure(
    cfg: BenchConfig, out: Path, job: Job, exports: Exports, device: str
) -> tuple[dict[str, Any], list[Measured]]:
    """One device: the file of everything that was seen there, and a row per model."""
    from pipeline.datasets.splits import Split
    from targets.bench import account
    from targets.bench.host import local_host
    from targets.bench.protocol import Bench, Subject, store
    from targets.bench.record import AccuracyPass, MemoryPass
    from targets.devices import big_cores, probe_local

    test = job.dataset()[Split.TEST]
    samples = job.scratch / "test.npy"
    store(test.images, samples)
    protocol = _protocol(cfg, job.recipe.seed)
    bench = Bench(
        host=local_host(job.scratch, timeout_s=cfg.timeout_s),
        samples=samples,
        protocol=protocol,
    )
    subjects = [
        Subject(
            name=m.name,
            format=m.format,
            path=exports.path(m),
            threads=cfg.threads,
            affinity=tuple(big_cores()),
            adapter=m.adapter,
        )
        for m in exports.models
    ]
    probed = probe_local()
    blocks = bench.latency(subjects, say=job.console.say)
    memory = [
        MemoryPass.model_validate({"model": s.name, **bench.once(s, "memory")}) for s in subjects
    ]
    job.console.say(f"bench     top-1 of {len(subjects)} models over {len(test)} test samples")
    outputs = {subject.name: bench.outputs(subject) for subject in subjects}
    document = account.assemble(
        device=probed,
        protocol=protocol,
        models=[model.model_dump() for model in exports.models],
        blocks=blocks,
        memory=memory,
        baselines={
            model.name: teacher.name
            for model in exports.models
            if (teacher := _teacher_of(model, exports)) is not None
        },
        accuracy=[
            AccuracyPass.model_validate({"model": name, **record})
            for name, (_, record) in outputs.items()
        ],
    )
    seen = Seen(
        document=document,
        logits={name: logits for name, (logits, _) in outputs.items() if logits is not None},
        labels=test.labels,
        teacher_logits=teacher_logits(exports),
    )
    rows = [
        _row(device, model, _teacher_of(model, exports), _before(model, exports), seen)
        for model in exports.models
    ]
    (out / "bench").mkdir(exist_ok=True)
    (out / "bench" / f"{device}.json").write_text(document.dump(), encoding="utf-8")
    return probed, rows


def _protocol(cfg: BenchConfig, seed: int) -> "Protocol":
    from targets.bench.protocol import Protocol

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
    logits: npt.NDArray[np.float32] = np.load(
        exports.folder / exports.teacher_logits, allow_pickle=False
    )
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
    from targets import metrics

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
        **_fidelity(logits, teacher, seen),
        **_regressions(logits, before, seen),
        **_speed(model.name, seen),
    )


def _fidelity(
    logits: "npt.NDArray[np.float32]", teacher: ExportedModel | None, seen: Seen
) -> dict[str, Any]:
    """Against the teacher's logits; nothing where there are none over the test split."""
    from targets import metrics

    baseline = seen.teacher_logits if teacher is None else seen.logits[teacher.name]
    if baseline is None:
        return {}
    return {
        "agreement_with_teacher": metrics.agreement(logits, baseline),
        "kl_to_teacher": metrics.kl_divergence(reference=baseline, model=logits),
    }


def _regressions(
    logits: "npt.NDArray[np.float32]", before: ExportedModel | None, seen: Seen
) -> dict[str, Any]:
    """What was right before and is wrong now, and the class that lost most."""
    from targets import metrics

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
