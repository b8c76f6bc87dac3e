"""The documents of `pipeline bench` as a table with notes."""

from collections.abc import Iterator, Mapping

from pipeline.reporting.findings import disturbances
from pipeline.reporting.findings.data import UNEVEN
from pipeline.reporting.formatting import (
    NOT_MEASURED,
    approximate,
    duration,
    megabytes,
    percent,
    span,
    times,
)
from pipeline.reporting.schema.model_row import LatencyNote, reliable
from pipeline.reporting.tables.cells import Cells, Table, print_rows, tabulate
from targets.bench.record import AccuracyPass
from targets.bench.result import BenchResult
from targets.bench.summary import ComparisonRow, SummaryRow

Documents = Mapping[str, BenchResult]
"""Documents by the names of the devices."""
MOST = 8
"""Kinds of operators that are shown; the document has all."""
ACCURACY = ("top-1 %", "balanced %", "macro F1 %", "agrees %")
IN_THE_FILE = "the file's invalid_reasons"
"""The place in a document that lists what disturbed each block."""


def print_measured(documents: Documents, details: str = IN_THE_FILE) -> None:
    """A row per model and device, to stdout. `details`: the place that lists the disturbances."""
    print_rows(*rows(documents))
    for line in notes(documents, details):
        print(line)


def rows(documents: Documents) -> Table:
    """Return the table without empty columns; the device is a column where there are several."""
    return tabulate(
        [
            ({"device": name} if len(documents) > 1 else {}) | cells
            for name, document in documents.items()
            for cells in _cells(document)
        ]
    )


def _cells(document: BenchResult) -> list[Cells]:
    compared = {row.candidate: row for row in document.comparison}
    accuracy = {row.model: row for row in document.accuracy}
    batches = _batches(document)
    return [
        _latency(row, batches, disturbances.note_of(row, emulated=document.device.emulated))
        | _accuracy(accuracy.get(row.model))
        | _compared(compared.get(row.model))
        for row in document.summary
    ]


def _latency(row: SummaryRow, batches: Mapping[str, int], note: LatencyNote | None) -> Cells:
    """`note`: why another measurement may give another latency."""
    interval = row.median_ci if reliable(note) else None
    ends = None if interval is None else (interval.low, interval.high)
    is_batched = max(batches.values()) > 1
    return {
        "model": row.model,
        "samples per query": str(batches[row.model]) if is_batched else NOT_MEASURED,
        "median": approximate(duration(row.median_ns), note),
        "95 % interval": span(ends, duration),
        # Only of a tool that does not give its samples: a mean hides what a median shows.
        "mean": approximate(duration(None if row.median_ns is not None else row.mean_ns), note),
        "p90": approximate(duration(row.p90_ns), note),
        "first": duration(row.first_inference_ns),
        "load": duration(row.load_ns),
        "peak memory": megabytes(row.peak_memory_bytes),
        "figures": note or row.stability or NOT_MEASURED,
    }


def _accuracy(row: AccuracyPass | None) -> Cells:
    if row is None:
        return dict.fromkeys(ACCURACY, NOT_MEASURED)
    interval = "" if row.top1_ci is None else f" ({span(row.top1_ci, percent)})"
    uneven = (row.imbalance or 1) > UNEVEN
    return {
        "top-1 %": percent(row.top1) + interval,
        "balanced %": percent(row.balanced_accuracy if uneven else None),
        "macro F1 %": percent(row.macro_f1 if uneven else None),
        "agrees %": percent(row.agreement),
    }


def _compared(row: ComparisonRow | None) -> Cells:
    """An invalid verdict has no speed-up; earlier documents had a ratio beside it."""
    if row is None or row.ratio is None or row.verdict == "invalid":
        return {"speed-up": NOT_MEASURED, "verdict": NOT_MEASURED if row is None else row.verdict}
    interval = row.ratio_t_ci
    ends = "" if interval is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return {"speed-up": f"{times(row.ratio)}{ends}", "verdict": row.verdict}


def notes(documents: Documents, details: str = IN_THE_FILE) -> list[str]:
    """What limits the figures, a line each."""
    several = len(documents) > 1
    return [
        f"{name}: {line}" if several else line
        for name, document in documents.items()
        for line in _notes(document, details)
    ]


def _notes(document: BenchResult, details: str) -> list[str]:
    limits = disturbances.limits(disturbances.of_document(document), details)
    detectable = (
        f"{row.candidate} against {row.baseline}: a difference of {100 * row.mdd:.1f} % "
        "would have been found in 80 % of such measurements"
        for row in document.comparison
        if row.mdd is not None and row.verdict != "invalid"
    )
    accuracy = (f"{row.model}: {note}" for row in document.accuracy for note in row.notes)
    batches = _batches(document)
    refused = (
        f"{row.candidate}: no speed-up: {row.invalid_reasons[0]}"
        for row in document.comparison
        if batches[row.candidate] != batches[row.baseline]
    )
    return [*limits, *accuracy, *refused, *detectable, *operators(document)]


def _batches(document: BenchResult) -> dict[str, int]:
    return {model.name: model.samples_per_query or 1 for model in document.models}


def operators(document: BenchResult) -> Iterator[str]:
    """The time of each kind of operator; their number where the runtime does not time them."""
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
