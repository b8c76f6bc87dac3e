"""The table of what each file detects in a long sound."""

from pipeline.reporting.formatting import NOT_MEASURED, percent, span
from pipeline.reporting.schema.streaming import Streaming, StreamingRow
from pipeline.reporting.tables.cells import Table

HEADER = [
    "file", "threshold %", "missed words", "missed %", "95 % interval",
    "false accepts", "per hour", "95 % interval per hour",
]  # fmt: skip


def streaming(found: Streaming) -> Table:
    return HEADER, [_cells(row, words=found.judged_on.words) for row in found.files]


def _cells(row: StreamingRow, *, words: int) -> list[str]:
    return [
        row.model,
        NOT_MEASURED if row.threshold is None else f"{100 * row.threshold:g}",
        f"{row.missed:,} of {words:,}",
        percent(row.false_reject_rate),
        span(row.false_reject_ci, percent),
        f"{row.false_accepts:,}",
        f"{row.false_accepts_per_hour:.1f}",
        span(row.false_accepts_ci, lambda end: f"{end:.1f}"),
    ]
