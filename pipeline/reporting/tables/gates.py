"""The verdicts of gates as a table, for the terminal, the page and the summary of a CI job."""

from collections.abc import Sequence

from pipeline.recipe.gates import KINDS
from pipeline.reporting.formatting import NOT_MEASURED, span
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.cells import Cells, Table, tabulate
from targets.errors import printable

OPTIONAL = ("device", "95 % interval", "why")
ORDER = ("failed", "undecided", "skipped", "passed")


def gates(rows: Sequence[GateRow]) -> Table:
    return tabulate([_cells(row) for row in failed_first(rows)], optional=OPTIONAL)


def failed_first(rows: Sequence[GateRow]) -> list[GateRow]:
    return sorted(rows, key=lambda row: ORDER.index(row.verdict))


def _cells(row: GateRow) -> Cells:
    return {
        "gate": row.name,
        "file": printable(row.file),
        "device": printable(row.device or NOT_MEASURED),
        "limit": limit(row),
        "value": figure(row.value, row),
        "95 % interval": span(row.interval, lambda end: figure(end, row)),
        "verdict": row.verdict,
        "why": row.reason or NOT_MEASURED,
    }


def limit(row: GateRow) -> str:
    if row.limit is None:
        return NOT_MEASURED
    if _unit(row) == "":
        return "yes"
    return f"{'≥' if row.at_least else '≤'} {figure(row.limit, row)}"


def figure(value: float | None, row: GateRow) -> str:
    """The figure with its unit."""
    if value is None:
        return NOT_MEASURED
    match _unit(row):
        case "":
            return "yes" if value else "no"
        case "%" | "points" as unit:
            return f"{100 * value:.2f} {unit}".replace("-", "−")
        case "ms":
            return f"{value:.3g} ms"
        case "x":
            return f"{value:.2f}x"
        case unit:
            return f"{value:,.1f} {unit}"


def _unit(row: GateRow) -> str:
    return KINDS[row.gate].unit


def sentence(row: GateRow) -> str:
    """A verdict for a log or an annotation."""
    where = f" on {printable(row.device)}" if row.device else ""
    interval = f", 95 % interval {_interval(row)}" if row.interval else ""
    asked = f"baseline {figure(row.limit, row)}" if row.vs_baseline else f"limit {limit(row)}"
    moved = "" if row.change is None else f", change {change(row)}"
    found = f"{figure(row.value, row)} ({asked}{interval}{moved})"
    why = f": {row.reason}" if row.reason else ""
    return f"{row.name} of {printable(row.file)}{where} {row.verdict}, {found}{why}"


def change(row: GateRow) -> str:
    """The change from the baseline, with its interval."""
    if row.change is None:
        return NOT_MEASURED
    unit = "points" if _unit(row) == "%" else "%"
    shown = f"{_signed(row.change)} {unit}"
    interval = span(row.change_interval, _signed)
    return shown if interval == NOT_MEASURED else f"{shown} ({interval})"


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", "−")


def _interval(row: GateRow) -> str:
    return span(row.interval, lambda end: figure(end, row))


def failing(rows: Sequence[GateRow], *, strict: bool = False) -> list[GateRow]:
    """The rows that make a check fail; `strict`: also what is undecided or skipped."""
    bad = ("failed", "undecided", "skipped") if strict else ("failed",)
    return [row for row in rows if row.verdict in bad]


def summary(rows: Sequence[GateRow]) -> str:
    """How many of each verdict."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ORDER}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
