"""The changes of a run from a baseline as a table."""

from collections.abc import Sequence

from pipeline.reporting.formatting import NOT_MEASURED
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.cells import Cells, Table, tabulate
from pipeline.reporting.tables.gates import change, failed_first, figure
from targets.errors import printable

OPTIONAL = ("device", "why")


def changes(rows: Sequence[GateRow]) -> Table:
    return tabulate([_cells(row) for row in failed_first(rows)], optional=OPTIONAL)


def _cells(row: GateRow) -> Cells:
    return {
        "figure": row.gate,
        "file": printable(row.file),
        "device": printable(row.device or NOT_MEASURED),
        "baseline": figure(row.limit, row),
        "this run": figure(row.value, row),
        "change (95 % interval)": change(row),
        "verdict": row.verdict,
        "why": row.reason or NOT_MEASURED,
    }
