"""Measure every export on every device: latency, and accuracy over the whole test split."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Exports, Measured, Measurements
from pipeline.recipe import BenchConfig
from pipeline.stages.job import Job
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.datasets.splits import Samples
    from targets.bench.protocol import Bench, Subject
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
    probed = probe_local()
    subjects = {
        m.name: Subject(name=m.name, format=m.format, path=exports.path(m)) for m in exports.models
    }
    blocks = bench.latency(list(subjects.values()), say=job.console.say)
    job.console.say(f"bench     top-1 of {len(subjects)} models over {len(test)} test samples")
    logits, records = _all_outputs(bench, list(subjects.values()))
    rows = []
    for model in exports.models:
        teacher = _teacher_of(model, exports)
        accuracy = _accuracy(logits[model.name], logits[teacher.name], test)
        latency, faster = _latency(model, teacher, blocks)
        runtime = next(b["runtime"] for b in blocks if b["model"] == model.name)
        rows.append(
            Measured(
                name=model.name,
                device=device,
                runtime=f"{runtime['name']} {runtime['version']}",
                threads=runtime["threads"],
                median_ns=latency.median_ns,
                median_ci=_ends(latency),
                p90_ns=latency.p90_ns,
                speedup_vs_teacher=faster.ratio,
                speedup_ci=_ends(faster),
                **accuracy,
            )
        )
    document = result.document(
        device=probed,
        protocol=protocol,
        models=[model.model_dump() for model in exports.models],
        blocks=blocks,
        summary=[_summary(row, blocks) for row in rows],
        comparison=[_comparison(row, exports) for row in rows],
        accuracy=[{"model": name, **record} for name, record in records.items()],
    )
    (out / "bench").mkdir(exist_ok=True)
    (out / "bench" / f"{device}.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
    return probed, rows


def _all_outputs(
    bench: "Bench", subjects: "list[Subject]"
) -> "tuple[dict[str, npt.NDArray[np.float32]], dict[str, dict[str, Any]]]":
    both = {subject.name: bench.outputs(subject) for subject in subjects}
    return {n: logits for n, (logits, _) in both.items()}, {n: r for n, (_, r) in both.items()}


def _teacher_of(model: ExportedModel, exports: Exports) -> ExportedModel:
    """The teacher in the same format, and so in the same runtime."""
    return next(m for m in exports.models if m.role == "teacher" and m.format == model.format)


def _accuracy(
    logits: "npt.NDArray[np.float32]", teacher: "npt.NDArray[np.float32]", test: "Samples"
) -> dict[str, Any]:
    from targets import metrics

    share = metrics.top1(logits, test.labels)
    return {
        "top1": share,
        "top1_ci": metrics.wilson_interval(share, len(test)),
        "agreement_with_teacher": metrics.agreement(logits, teacher),
        "kl_to_teacher": metrics.kl_divergence(reference=teacher, model=logits),
        "ece": metrics.expected_calibration_error(logits, test.labels),
    }


def _latency(
    model: ExportedModel, teacher: ExportedModel, blocks: list[dict[str, Any]]
) -> "tuple[LatencySummary, Speedup]":
    from targets.bench.stats import speedup, summarise

    own, baseline = _samples(model.name, blocks), _samples(teacher.name, blocks)
    return summarise(own), speedup(baseline=baseline, candidate=own)


def _samples(name: str, blocks: list[dict[str, Any]]) -> list[list[int]]:
    return [block["samples_ns"] for block in blocks if block["model"] == name]


def _ends(measured: "LatencySummary | Speedup") -> tuple[float, float] | None:
    interval = measured.interval
    return None if interval is None else (interval.low, interval.high)


def _summary(row: Measured, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    samples = _samples(row.name, blocks)
    return {
        "model": row.name,
        "n_processes": len(samples),
        "n_samples": sum(len(block) for block in samples),
        "median_ns": row.median_ns,
        "median_ci": row.median_ci,
        "p90_ns": row.p90_ns,
    }


def _comparison(row: Measured, exports: Exports) -> dict[str, Any]:
    model = next(m for m in exports.models if m.name == row.name)
    return {
        "baseline": _teacher_of(model, exports).name,
        "candidate": row.name,
        "ratio": row.speedup_vs_teacher,
        "ratio_ci": row.speedup_ci,
    }
