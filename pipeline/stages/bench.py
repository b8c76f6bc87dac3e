"""Measure every export on every device: latency, and accuracy over the whole test split."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Exports, Measured, Measurements
from pipeline.recipe import BenchConfig
from pipeline.stages.job import Job
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from targets.bench.stats import LatencySummary, Speedup


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
    import numpy as np

    from pipeline.datasets.splits import Split
    from targets.bench import result
    from targets.bench.protocol import Bench, Protocol, Subject
    from targets.devices import probe_local
    from targets.links.local import LocalLink

    test = job.dataset()[Split.TEST]
    samples = job.scratch / "test.npy"
    np.save(samples, test.images)
    settings = cfg.model_dump(exclude={"enabled", "devices"})
    protocol = Protocol(seed=job.recipe.seed, **settings)
    bench = Bench(link=LocalLink(), samples=samples, folder=job.scratch, protocol=protocol)
    subjects = [
        Subject(name=m.name, format=m.format, path=exports.path(m), adapter=m.adapter)
        for m in exports.models
    ]
    probed = probe_local()
    blocks = bench.latency(subjects, say=job.console.say)
    job.console.say(f"bench     top-1 of {len(subjects)} models over {len(test)} test samples")
    outputs = {subject.name: bench.outputs(subject) for subject in subjects}
    seen = Seen(
        blocks=blocks,
        logits={name: logits for name, (logits, _) in outputs.items()},
        labels=test.labels,
        teacher_logits=teacher_logits(exports),
    )
    rows = [
        _row(device, model, _teacher_of(model, exports), _before(model, exports), seen)
        for model in exports.models
    ]
    document = result.document(
        device=probed,
        protocol=protocol,
        models=[model.model_dump() for model in exports.models],
        blocks=blocks,
        summary=[_summary(row, seen) for row in rows],
        comparison=[
            _comparison(row, _teacher_of(model, exports))
            for row, model in zip(rows, exports.models, strict=True)
        ],
        accuracy=[{"model": name, **record} for name, (_, record) in outputs.items()],
    )
    (out / "bench").mkdir(exist_ok=True)
    (out / "bench" / f"{device}.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
    return probed, rows


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The raw observations of one device."""

    blocks: list[dict[str, Any]]
    logits: "dict[str, npt.NDArray[np.float32]]"
    labels: "npt.NDArray[np.int64]"
    teacher_logits: "npt.NDArray[np.float32] | None"
    """Of a teacher that is no file: its logits were computed before."""

    def samples_ns(self, name: str) -> list[list[int]]:
        """Of one model, by process."""
        return [block["samples_ns"] for block in self.blocks if block["model"] == name]

    def runtime(self, name: str) -> dict[str, Any]:
        runtime: dict[str, Any] = next(b for b in self.blocks if b["model"] == name)["runtime"]
        return runtime

    def runtime_name(self, name: str) -> str:
        return "{name} {version}".format(**self.runtime(name))


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
    from targets.bench.stats import summarise

    latency = summarise(seen.samples_ns(model.name))
    logits = seen.logits[model.name]
    share = metrics.top1(logits, seen.labels)
    return Measured(
        name=model.name,
        device=device,
        runtime=seen.runtime_name(model.name),
        threads=seen.runtime(model.name)["threads"],
        top1=share,
        top1_ci=metrics.wilson_interval(share, len(seen.labels)),
        ece=metrics.expected_calibration_error(logits, seen.labels),
        median_ns=latency.median_ns,
        median_ci=_ends(latency),
        p90_ns=latency.p90_ns,
        **_fidelity(logits, teacher, seen),
        **_regressions(logits, before, seen),
        **_speed(model, teacher, seen),
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


def _speed(model: ExportedModel, teacher: ExportedModel | None, seen: Seen) -> dict[str, Any]:
    """Against the teacher's file in its runtime; nothing where it has no file."""
    from targets.bench.stats import speedup

    if teacher is None:
        return {}
    faster = speedup(baseline=seen.samples_ns(teacher.name), candidate=seen.samples_ns(model.name))
    return {
        "speedup_vs_teacher": faster.ratio,
        "speedup_ci": _ends(faster),
        "teacher_runtime": seen.runtime_name(teacher.name),
    }


def _ends(measured: "LatencySummary | Speedup") -> tuple[float, float] | None:
    interval = measured.interval
    return None if interval is None else (interval.low, interval.high)


def _summary(row: Measured, seen: Seen) -> dict[str, Any]:
    samples = seen.samples_ns(row.name)
    return {
        "model": row.name,
        "n_processes": len(samples),
        "n_samples": sum(len(block) for block in samples),
        "median_ns": row.median_ns,
        "median_ci": row.median_ci,
        "p90_ns": row.p90_ns,
    }


def _comparison(row: Measured, teacher: ExportedModel | None) -> dict[str, Any]:
    return {
        "baseline": None if teacher is None else teacher.name,
        "baseline_runtime": row.teacher_runtime,
        "candidate": row.name,
        "candidate_runtime": row.runtime,
        "ratio": row.speedup_vs_teacher,
        "ratio_ci": row.speedup_ci,
    }
