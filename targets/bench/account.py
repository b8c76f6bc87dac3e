"""What was seen on a device as a `bench-result/1`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from uuid import uuid4

import numpy as np

from targets import metrics
from targets.bench import summary, validity
from targets.bench.protocol import Protocol, Subject
from targets.bench.record import AccuracyPass, Block, MemoryPass
from targets.bench.result import Document
from targets.bench.session import Observed, Request, digest
from targets.bench.summary import ComparisonRow
from targets.errors import InputError

TOOL = "edge-distill"


def assemble(
    *,
    device: Mapping[str, Any],
    protocol: Protocol,
    models: Sequence[Mapping[str, Any]],
    blocks: Sequence[Block],
    memory: Sequence[MemoryPass],
    baselines: Mapping[str, str],
    accuracy: Sequence[AccuracyPass],
    op_profile: Sequence[Mapping[str, Any]] = (),
) -> Document:
    """Everything that was seen, and what follows from it.

    `baselines`: for each model that is compared, the model that it is compared with.
    """
    names = [model["name"] for model in models]
    compared = [
        row
        for name, baseline in baselines.items()
        for row in summary.comparisons(blocks, baseline, [name])
    ]
    return Document.model_validate(
        {
            "run_id": str(uuid4()),
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool": {"name": TOOL, "version": metadata.version(TOOL)},
            "protocol": _used(protocol, blocks),
            "device": device,
            "sentinel_baseline_ns": validity.sentinel_baseline(blocks),
            "models": models,
            "blocks": blocks,
            "memory": memory,
            "summary": summary.summarise_blocks(blocks, memory, names),
            "comparison": [_refused(row) for row in compared] if device["emulated"] else compared,
            "accuracy": accuracy,
            "op_profile": op_profile,
        }
    )


def _refused(row: ComparisonRow) -> ComparisonRow:
    """The same model was 14 times as fast on one emulated CPU as on another."""
    nothing = dict.fromkeys(("ratio", "ratio_ci", "ratio_t_ci", "mdd"))
    reasons = ("the device is emulated: its times mean nothing", *row.invalid_reasons)
    return row.model_copy(update={**nothing, "verdict": "invalid", "invalid_reasons": reasons})


def _used(protocol: Protocol, blocks: Sequence[Block]) -> dict[str, Any]:
    threads = {block.runtime.threads for block in blocks}
    return {
        "scenario": "single_stream",
        "tier": protocol.tier,
        "processes": protocol.processes,
        "threads": threads.pop() if len(threads) == 1 else None,
        "min_queries": protocol.min_queries,
        "min_duration_ns": int(protocol.min_duration_s * 1e9),
        "max_duration_ns": int(protocol.max_duration_s * 1e9),
        "warmup_min_runs": protocol.warmup_runs,
        "warmup_min_ns": int(protocol.warmup_s * 1e9),
        "interleaved": True,
        "seed": protocol.seed,
        "boundary": "host_array_to_host_array",
    }


def document(request: Request, seen: Observed, device: Mapping[str, Any]) -> Document:
    """Of what `pipeline bench` was asked for."""
    accuracy = _accuracy(request, seen)  # it may find a model's labels impossible
    return assemble(
        device=device,
        protocol=request.protocol,
        models=[_model(subject, seen) for subject in seen.subjects.values()],
        blocks=seen.blocks,
        memory=[
            MemoryPass.model_validate({"model": name, **record})
            for name, record in seen.memory.items()
        ],
        baselines=baselines(request, seen),
        accuracy=accuracy,
        op_profile=[{"model": name, **record} for name, record in seen.profiles.items()],
    )


def _model(subject: Subject, seen: Observed) -> dict[str, Any]:
    described = seen.described.get(subject.name, {})
    return {
        "name": subject.name,
        "format": subject.format,
        "file": str(subject.path),
        "sha256": digest(subject.path),
        "size_bytes": subject.path.stat().st_size,
        "error": str(seen.errors[subject.name]) if subject.name in seen.errors else None,
        **{key: described.get(key) for key in ("inputs", "outputs", "operators")},
    }


def baselines(request: Request, seen: Observed) -> dict[str, str]:
    """For each model that is compared, with which: the baseline on as many threads, in the same
    runtime where it has run in it."""
    if request.baseline is None:
        return {}
    found = {}
    for name, subject in seen.subjects.items():
        runs = [
            other
            for other in seen.subjects.values()
            if other.path == request.baseline and other.threads == subject.threads
        ]
        runs.sort(key=lambda other: other.executed_by.name != subject.executed_by.name)
        if subject.path != request.baseline:
            found[name] = runs[0].name
    return found


def _accuracy(request: Request, seen: Observed) -> list[AccuracyPass]:
    against = baselines(request, seen)
    rows = []
    for name, record in seen.records.items():
        figures = _figures(request, seen, name, against.get(name))
        rows.append(AccuracyPass.model_validate({"model": name, **record, **figures}))
    return rows


def _figures(request: Request, seen: Observed, name: str, baseline: str | None) -> dict[str, Any]:
    """Of a classifier's scores [samples, classes]; nothing of any other output."""
    scores = _scores(seen, name)
    if scores is None or not _finite(seen, name, scores):
        return {}
    figures: dict[str, Any] = {}
    assert request.samples is not None
    labels = request.samples.labels
    if labels is not None and _fit(seen, name, labels, scores.shape[1], request):
        share = metrics.top1(scores, labels)
        figures |= {"top1": share, "top1_ci": metrics.wilson_interval(share, len(labels))}
    others = None if baseline is None else _scores(seen, baseline)
    if (
        baseline is not None
        and others is not None
        and others.shape == scores.shape
        and _finite(seen, baseline, others)
    ):
        figures |= {"baseline": baseline, "agreement": metrics.agreement(scores, others)}
    return figures


def _scores(seen: Observed, name: str) -> Any:
    outputs = seen.outputs.get(name)
    if outputs is None or outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    return outputs


def _finite(seen: Observed, name: str, scores: Any) -> bool:
    """Whether every score is a number; else that is the model's error."""
    try:
        metrics.require_finite(scores, model=name)
    except metrics.NotFiniteError as error:
        seen.errors[name] = InputError(str(error))
        return False
    return True


def _fit(seen: Observed, name: str, labels: Any, classes: int, request: Request) -> bool:
    assert request.samples is not None
    if int(np.min(labels)) >= 0 and int(np.max(labels)) < classes:
        return True
    seen.errors[name] = InputError(
        f"--data {request.samples.source}: has labels from {labels.min()} to {labels.max()}, and "
        f"{name} gives scores of {classes} classes, 0 to {classes - 1}. Leave the labels out, or "
        "give those of the model's classes."
    )
    return False
