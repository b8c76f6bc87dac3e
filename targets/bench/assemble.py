"""The observations of a device as a `bench-result/1`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from uuid import uuid4

from targets.bench import figures, inputs, summary, validity
from targets.bench.case import BenchCase
from targets.bench.figures import Figures, Read
from targets.bench.observe import Observations
from targets.bench.plan import BenchPlan
from targets.bench.record import AccuracyPass, Block
from targets.bench.request import BenchRequest
from targets.bench.result import BenchResult
from targets.bench.summary import ComparisonRow
from targets.errors import InputError
from targets.evaluation import metrics
from targets.runtimes.contract import Conditions

TOOL = "edge-distill"


def document(
    request: BenchRequest, observed: Observations, device: Mapping[str, Any]
) -> BenchResult:
    """Everything that was measured, and the statistics that follow from it."""
    accuracy = _accuracy(request, observed, device)  # it may find a model's labels impossible
    models = [_model(case, observed) for case in observed.cases.values()]
    memory = list(observed.memory.values())
    compared = [
        row
        for name, baseline in baselines(request, observed.cases).items()
        for row in summary.comparisons(observed.blocks, baseline, [name])
    ]
    return BenchResult.model_validate(
        {
            "run_id": str(uuid4()),
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool": {"name": TOOL, "version": metadata.version(TOOL)},
            "protocol": _used(request.plan, observed.blocks),
            "device": device,
            "sentinel_baseline_ns": validity.sentinel_baseline(observed.blocks),
            "models": models,
            "blocks": observed.blocks,
            "memory": memory,
            "summary": summary.summarise_blocks(observed.blocks, memory, list(observed.cases)),
            "comparison": [_allowed(row, device, models) for row in compared],
            "accuracy": accuracy,
            "op_profile": list(observed.profiles.values()),
        }
    )


def _allowed(
    row: ComparisonRow, device: Mapping[str, object], models: Sequence[Mapping[str, object]]
) -> ComparisonRow:
    """Return `row` without its figures where the times are of different work, or of an emulated
    CPU: on one of these the same model was 14 times as fast as on another."""
    samples = {model["name"]: model.get("samples_per_query", 1) for model in models}
    own, other = samples[row.candidate], samples[row.baseline]
    reasons = ["the device is emulated: its times mean nothing"] if device["emulated"] else []
    if own != other:
        reasons.append(f"a query of it is {own} samples, and of {row.baseline} {other}")
    if not reasons:
        return row
    nothing = dict.fromkeys(("ratio", "ratio_ci", "ratio_t_ci", "mdd"))
    verdict = {"verdict": "invalid", "invalid_reasons": (*reasons, *row.invalid_reasons)}
    return row.model_copy(update={**nothing, **verdict})


def _used(plan: BenchPlan, blocks: Sequence[Block]) -> dict[str, object]:
    threads = {block.runtime.threads for block in blocks}
    return {
        "scenario": "single_stream",
        "tier": plan.tier,
        "processes": plan.processes,
        "threads": threads.pop() if len(threads) == 1 else None,
        "min_queries": plan.min_queries,
        "min_duration_ns": int(plan.min_duration_s * 1e9),
        "max_duration_ns": int(plan.max_duration_s * 1e9),
        "warmup_min_runs": plan.warmup_runs,
        "warmup_min_ns": int(plan.warmup_s * 1e9),
        "interleaved": True,
        "seed": plan.seed,
        "boundary": "host_array_to_host_array",
    }


def _model(case: BenchCase, observed: Observations) -> dict[str, object]:
    if case.exported is not None:
        return case.exported.model_dump()
    described, files = observed.described.get(case.name), observed.files.get(case.name)
    return {
        "name": case.name,
        "format": case.format,
        "file": str(case.path),
        "sha256": None if files is None else files.sha256,
        "size_bytes": None if files is None else files.size_bytes,
        "samples_per_query": case.batch if described else None,
        "error": str(observed.errors[case.name]) if case.name in observed.errors else None,
        **(described or {}),
    }


def baselines(request: BenchRequest, cases: Mapping[str, BenchCase]) -> dict[str, str]:
    """Return the baseline of each case that is compared: on as many threads, in the same runtime if
    it was measured in it."""
    found = {}
    for name, case in cases.items():
        runs = [
            other
            for other in cases.values()
            if other.path == request.baselines.get(case.path) and other.threads == case.threads
        ]
        runs.sort(key=lambda other: other.executed_by.name != case.executed_by.name)
        if runs:
            found[name] = runs[0].name
    return found


def _accuracy(
    request: BenchRequest, observed: Observations, device: Mapping[str, Any]
) -> list[AccuracyPass]:
    """Return the passes, without figures for the files of a run, which judges them itself."""
    against = baselines(request, observed.cases)
    read = {
        name: _read(name, request, observed)
        for name in observed.described
        if name in observed.records
    }
    rows = []
    for name, record in observed.records.items():
        found = Figures()
        if name in read:
            found = _figures(read[name], read.get(against.get(name, "")), request, observed)
            notes = found.get("notes", ())
            found["notes"] = (*notes, *_runtime_notes(observed.cases[name], device))
        rows.append(AccuracyPass.model_validate({"model": name, **record, **found}))
    return rows


def _runtime_notes(case: BenchCase, device: Mapping[str, Any]) -> Iterable[str]:
    conditions = Conditions(
        abi=device["abi"],
        cpu_features=device.get("cpu_features") or (),
        options=case.options or {},
    )
    return case.executed_by.accuracy_notes(case.path, conditions)


def _read(name: str, request: BenchRequest, observed: Observations) -> Read:
    """Read a model's outputs; those that are not finite are the model's error."""
    case, undecided = observed.cases[name], observed.undecided.get(name)
    about = Read(
        name=name,
        outputs=observed.described[name]["outputs"],
        index=case.output_index,
        offset=request.offset_of(case.path),
        missing=undecided or "its outputs for the samples have different shapes",
    )
    values = observed.outputs[name]
    try:
        return about if undecided or values is None else figures.read(about, values)
    except metrics.NotFiniteError as error:
        observed.errors[name] = InputError(str(error))
        return about


def _doubt(name: str, request: BenchRequest, observed: Observations) -> str | None:
    entries = observed.cases[name].inputs or {}
    return inputs.doubt(observed.described[name]["inputs"], entries, request.given)


def _figures(
    own: Read, baseline: Read | None, request: BenchRequest, observed: Observations
) -> Figures:
    """Return the figures, empty for a model that failed; labels without a class are its error."""
    assert request.samples is not None
    if own.name in observed.errors:
        return {}
    try:
        if own.name in observed.undecided and request.samples.labels is not None:
            raise InputError(f"{own.name}: no top-1: {own.missing}.")
        return figures.figures(
            own, baseline, request.samples, doubt=_doubt(own.name, request, observed)
        )
    except InputError as error:
        observed.errors[own.name] = error
        return {}
