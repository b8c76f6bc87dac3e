"""What was seen on a device as a `bench-result/1`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from uuid import uuid4

from targets.bench import figures, inputs, summary, validity
from targets.bench.figures import Figures, Read
from targets.bench.plan import Protocol, Subject
from targets.bench.record import AccuracyPass, Block, MemoryPass
from targets.bench.result import Document
from targets.bench.session import Observed, Request
from targets.bench.summary import ComparisonRow
from targets.errors import InputError
from targets.evaluation import metrics
from targets.formats import FORMATS
from targets.processors import saturates

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
            "comparison": [_allowed(row, device, models) for row in compared],
            "accuracy": accuracy,
            "op_profile": op_profile,
        }
    )


def _allowed(
    row: ComparisonRow, device: Mapping[str, Any], models: Sequence[Mapping[str, Any]]
) -> ComparisonRow:
    """Without its figures where the times are of different things, or of an emulated CPU: on one
    the same model was 14 times as fast as on another."""
    samples = {model["name"]: model.get("samples_per_query", 1) for model in models}
    own, other = samples[row.candidate], samples[row.baseline]
    reasons = ["the device is emulated: its times mean nothing"] if device["emulated"] else []
    if own != other:
        reasons.append(f"a query of it is {own} samples, and of {row.baseline} {other}")
    if not reasons:
        return row
    nothing = dict.fromkeys(("ratio", "ratio_ci", "ratio_t_ci", "mdd"))
    said = {"verdict": "invalid", "invalid_reasons": (*reasons, *row.invalid_reasons)}
    return row.model_copy(update={**nothing, **said})


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
    accuracy = _accuracy(request, seen, device)  # it may find a model's labels impossible
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
    described, files = seen.described.get(subject.name, {}), seen.files.get(subject.name)
    return {
        "name": subject.name,
        "format": subject.format,
        "file": str(subject.path),
        "sha256": None if files is None else files.sha256,
        "size_bytes": None if files is None else files.size_bytes,
        "samples_per_query": subject.batch if described else None,
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


def _accuracy(request: Request, seen: Observed, device: Mapping[str, Any]) -> list[AccuracyPass]:
    against = baselines(request, seen)
    read = {name: _read(name, request, seen) for name in seen.records}
    rows = []
    for name, record in seen.records.items():
        found = _figures(read[name], read.get(against.get(name, "")), request, seen)
        found["notes"] = (*found.get("notes", ()), *saturation(seen.subjects[name], device))
        rows.append(AccuracyPass.model_validate({"model": name, **record, **found}))
    return rows


EXACT = "session.x64quantprecision"
"""With this option ONNX Runtime multiplies with int8 weights exactly on x86."""


def saturation(subject: Subject, device: Mapping[str, Any]) -> Iterator[str]:
    """Why the outputs of an ONNX file can be other ones on this device than on another."""
    features = device.get("cpu_features")
    exact = (subject.ort_options or {}).get(EXACT) == "1"
    if not features or exact or not saturates(device["abi"], features):
        return
    found = FORMATS[subject.format].saturating_products(subject.path)
    if found:
        yield (
            f"{len(found)} operators multiply with int8 weights, and those products saturate on "
            f"this processor ({', '.join(features)}; no VNNI): its outputs can be other ones than "
            f"elsewhere. Store the weights as uint8, or give --ort-option {EXACT}=1"
        )


def _read(name: str, request: Request, seen: Observed) -> Read:
    """Outputs that are not finite are the model's error."""
    subject, undecided = seen.subjects[name], seen.undecided.get(name)
    about = Read(
        name=name,
        outputs=seen.described[name]["outputs"],
        index=subject.output_index,
        offset=request.offset_of(subject.path),
        missing=undecided or "its outputs for the samples have different shapes",
    )
    values = seen.outputs[name]
    try:
        return about if undecided or values is None else figures.read(about, values)
    except metrics.NotFiniteError as error:
        seen.errors[name] = InputError(str(error))
        return about


def _doubt(name: str, request: Request, seen: Observed) -> str | None:
    entries = seen.subjects[name].inputs or {}
    return inputs.doubt(seen.described[name]["inputs"], entries, request.given)


def _figures(own: Read, baseline: Read | None, request: Request, seen: Observed) -> Figures:
    """None of a model that failed; labels that it has no class for are its error."""
    assert request.samples is not None
    if own.name in seen.errors:
        return {}
    try:
        if own.name in seen.undecided and request.samples.labels is not None:
            raise InputError(f"{own.name}: no top-1: {own.missing}.")
        return figures.figures(
            own, baseline, request.samples, doubt=_doubt(own.name, request, seen)
        )
    except InputError as error:
        seen.errors[own.name] = error
        return {}
