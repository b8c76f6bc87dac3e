"""The table of temperatures and thresholds, and what they do on the test split."""

from collections.abc import Sequence

from pipeline.reporting.formatting import NOT_MEASURED, percent, span
from pipeline.reporting.schema.confidence import ConfidenceRow
from pipeline.reporting.tables.cells import Table

HEADER = [
    "file", "temperature", "ECE %", "calibrated ECE %", "threshold %", "coverage %", "precision %",
    "AURC %",
]  # fmt: skip


def confidence(rows: Sequence[ConfidenceRow]) -> Table:
    return HEADER, [_cells(row) for row in rows]


def _cells(row: ConfidenceRow) -> list[str]:
    chosen = row.selection
    return [
        row.model,
        f"{row.temperature:.3f}",
        percent(row.before.ece),
        percent(row.after.ece),
        _thresholds(row),
        NOT_MEASURED if chosen is None else percent(chosen.coverage),
        NOT_MEASURED
        if chosen is None or chosen.precision is None
        else f"{percent(chosen.precision)} ({span(chosen.precision_ci, percent)})",
        f"{100 * row.aurc:.3f}",
    ]


def _thresholds(row: ConfidenceRow) -> str:
    own = [limit for limit in row.class_thresholds if limit is not None]
    of_classes = f"{len(own)} of {len(row.class_thresholds)} classes have their own" if own else ""
    shown = NOT_MEASURED if row.threshold is None else f"{100 * row.threshold:g}"
    return f"{shown}; {of_classes}" if own else shown
