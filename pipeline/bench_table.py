"""What `pipeline bench` says on the terminal."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.table import NOT_MEASURED, megabytes, percent, print_rows
from targets.bench.validity import SPREAD

if TYPE_CHECKING:
    from targets.bench.record import AccuracyPass
    from targets.bench.result import Document
    from targets.bench.summary import ComparisonRow, SummaryRow

Cells = dict[str, str]
Documents = Mapping[str, "Document"]
"""By the devices' names."""
MOST = 8
"""Kinds of operators that are shown; the document has all."""


def print_measured(documents: Documents) -> None:
    """A row per model and device; those without figures say why on stderr."""
    print_rows(*rows(documents))
    for line in notes(documents):
        print(line)


def rows(documents: Documents) -> tuple[list[str], list[list[str]]]:
    """Header and cells, without the columns that no model has values for; the device only where
    there are several."""
    table = [
        ({"device": name} if len(documents) > 1 else {}) | cells
        for name, document in documents.items()
        for cells in _cells(document)
    ]
    header = [
        name
        for name in (table[0] if table else ())
        if any(cells[name] != NOT_MEASURED for cells in table)
    ]
    return header, [[cells[name] for name in header] for cells in table]


def _cells(document: "Document") -> list[Cells]:
    compared = {row.candidate: row for row in document.comparison}
    accuracy = {row.model: row for row in document.accuracy}
    batches = {model.name: model.samples_per_query or 1 for model in document.models}
    return [
        _latency(row, batches)
        | _accuracy(accuracy.get(row.model))
        | _compared(compared.get(row.model))
        for row in document.summary
    ]


def _latency(row: "SummaryRow", batches: Mapping[str, int]) -> Cells:
    interval = row.median_ci
    is_batched = max(batches.values()) > 1
    return {
        "model": row.model,
        "samples per query": str(batches[row.model]) if is_batched else NOT_MEASURED,
        "median": duration(row.median_ns),
        "95 % interval": NOT_MEASURED
        if interval is None
        else f"{duration(interval.low)} to {duration(interval.high)}",
        # Of a tool that keeps its samples; a mean hides what a median shows.
        "mean": NOT_MEASURED if row.median_ns is not None else duration(row.mean_ns),
        "p90": duration(row.p90_ns),
        "first": duration(row.first_inference_ns),
        "load": duration(row.load_ns),
        "peak memory": megabytes(row.peak_memory_bytes),
        "figures": row.stability or NOT_MEASURED,
    }


def _accuracy(row: "AccuracyPass | None") -> Cells:
    interval = None if row is None else row.top1_ci
    top1 = NOT_MEASURED if row is None else percent(row.top1)
    if interval is not None:
        top1 += f" ({percent(interval[0])} to {percent(interval[1])})"
    return {
        "top-1 %": top1,
        "agrees %": NOT_MEASURED if row is None else percent(row.agreement),
    }


def _compared(row: "ComparisonRow | None") -> Cells:
    if row is None or row.ratio is None:
        return {"speed-up": NOT_MEASURED, "verdict": NOT_MEASURED if row is None else row.verdict}
    interval = row.ratio_t_ci
    span = "" if interval is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return {"speed-up": f"{row.ratio:.2f}x{span}", "verdict": row.verdict}


def notes(documents: Documents) -> list[str]:
    """What limits the figures, a line each."""
    several = len(documents) > 1
    return [
        f"{name}: {line}" if several else line
        for name, document in documents.items()
        for line in _notes(document)
    ]


def _notes(document: "Document") -> list[str]:
    emulated = ["emulated: these times mean nothing"] if document.device.emulated else []
    found = (
        f"{row.model}: unstable: {_why(row, document)}"
        for row in document.summary
        if row.stability == "unstable"
    )
    detectable = (
        f"{row.candidate} against {row.baseline}: a difference of {100 * row.mdd:.1f} % "
        "would have been found in 80 % of such measurements"
        for row in document.comparison
        if row.mdd is not None
    )
    accuracy = (f"{row.model}: {note}" for row in document.accuracy for note in row.notes)
    refused = (
        f"{row.candidate}: no speed-up: {row.invalid_reasons[0]}"
        for row in document.comparison
        if row.ratio is None and row.invalid_reasons and not emulated
    )
    return [*emulated, *found, *accuracy, *refused, *detectable, *operators(document)]


def operators(document: "Document") -> Iterator[str]:
    """Where the time goes, of the models that were profiled; their static list elsewhere."""
    listed = {model.name: model.operators for model in document.models}
    for profile in document.op_profile:
        counts = listed.get(profile.model) or {}
        if profile.ops is not None:
            most = ", ".join(f"{op.type} {100 * op.share:.0f} %" for op in profile.ops[:MOST])
            yield f"{profile.model}: time in operators: {most}"
        elif counts:
            order = sorted(counts.items(), key=lambda item: -item[1])
            most = ", ".join(f"{count} {name}" for name, count in order[:MOST])
            yield f"{profile.model}: operators (its runtime does not time them): {most}"


def _why(row: "SummaryRow", document: "Document") -> str:
    blocks = [block for block in document.blocks if block.counted and block.model == row.model]
    disturbed = [block for block in blocks if not block.valid]
    if not disturbed:
        return f"the medians of its processes differ by more than {100 * SPREAD:.0f} %"
    reasons = "; ".join(disturbed[0].invalid_reasons)
    return f"{len(disturbed)} of {len(blocks)} processes were disturbed, the first: {reasons}"


def duration(ns: float | None) -> str:
    """With three or four digits, in µs or ms."""
    if ns is None:
        return NOT_MEASURED
    us = ns / 1000
    return f"{us:.1f} µs" if us < 1000 else f"{us / 1000:.2f} ms"
