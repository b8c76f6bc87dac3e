"""The verdicts as GitHub and GitLab show them in a summary."""

from collections.abc import Sequence

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import gates, summary


def page(rows: Sequence[GateRow], *, run: str) -> str:
    header, cells = gates(rows)
    failed = any(row.verdict == "failed" for row in rows)
    lines = [
        f"## {'❌' if failed else '✅'} {_text(run)}: {summary(rows)}",
        "",
        _line(header),
        _line(["---"] * len(header)),
        *map(_line, cells),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(cell: str) -> str:
    for mark in "\\`*_<>[]|":
        cell = cell.replace(mark, f"\\{mark}")
    return " ".join(cell.split())
