"""What `pipeline bench` says on the terminal."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.reporting import disturbances
from pipeline.reporting.table import NOT_MEASURED, megabytes, percent, print_rows

if TYPE_CHECKING:
    from targets.bench.record import AccuracyPass
    from targets.bench.result import BenchResult
    from targets.bench.summary import ComparisonRow, SummaryRow

Cells = dict[str, str]
Documents = Mapping[str, "BenchResult"]
"""By the devices' names."""
MOST = 8
"""Kinds of operators that are shown; the document has all."""
IN_THE_FILE = "the file's invalid_reasons"
"""Where a document says what disturbed each block."""


def print_measured(documents: Documents, details: str = IN_THE_FILE) -> None:
    """A row per model and device; those without figures say why on stderr. `details`: where to
    read more of what disturbed them."""
    print_rows(*rows(documents))
    for line in notes(documents, details):
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


def _cells(document: "BenchResult") -> list[Cells]:
    compared = {row.candidate: row for row in document.comparison}
    accuracy = {row.model: row for row in document.accuracy}
    batches = _batches(document)
    return [
        _latency(row, batches, disturbances.note_of(row, emulated=document.device.emulated))
        | _accuracy(accuracy.get(row.model))
        | _compared(compared.get(row.model))
        for row in document.summary
    ]


def _latency(row: "SummaryRow", batches: Mapping[str, int], note: str | None) -> Cells:
    """`note`: why another measurement may give another latency."""
    interval = row.median_ci if disturbances.relied_on(note) else None
    about = "~" if note else ""
    is_batched = max(batches.values()) > 1
    return {
        "model": row.model,
        "samples per query": str(batches[row.model]) if is_batched else NOT_MEASURED,
        "median": _marked(row.median_ns, about),
        "95 % interval": NOT_MEASURED
        if interval is None
        else f"{duration(interval.low)} to {duration(interval.high)}",
        # Of a tool that keeps its samples; a mean hides what a median shows.
        "mean": NOT_MEASURED if row.median_ns is not None else _marked(row.mean_ns, about),
        "p90": _marked(row.p90_ns, about),
        "first": duration(row.first_inference_ns),
        "load": duration(row.load_ns),
        "peak memory": megabytes(row.peak_memory_bytes),
        "figures": note or row.stability or NOT_MEASURED,
    }


def _marked(ns: float | None, about: str) -> str:
    return NOT_MEASURED if ns is None else about + duration(ns)


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
    """An invalid verdict has no speed-up, also in documents of before that was so."""
    if row is None or row.ratio is None or row.verdict == "invalid":
        return {"speed-up": NOT_MEASURED, "verdict": NOT_MEASURED if row is None else row.verdict}
    interval = row.ratio_t_ci
    span = "" if interval is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return {"speed-up": f"{row.ratio:.2f}x{span}", "verdict": row.verdict}


def notes(documents: Documents, details: str = IN_THE_FILE) -> list[str]:
    """What limits the figures, a line each."""
    several = len(documents) > 1
    return [
        f"{name}: {line}" if several else line
        for name, document in documents.items()
        for line in _notes(document, details)
    ]


def _notes(document: "BenchResult", details: str) -> list[str]:
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


def _batches(document: "BenchResult") -> dict[str, int]:
    return {model.name: model.samples_per_query or 1 for model in document.models}


def operators(document: "BenchResult") -> Iterator[str]:
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


def duration(ns: float | None) -> str:
    """With three or four digits, in µs or ms."""
    if ns is None:
        return NOT_MEASURED
    us = ns / 1000
    return f"{us:.1f} µs" if us < 1000 else f"{us / 1000:.2f} ms"
