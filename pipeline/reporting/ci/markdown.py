"""The verdicts as GitHub and GitLab show them in a summary."""

from collections.abc import Sequence

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import failing, gates, summary
from targets.errors import printable


def page(rows: Sequence[GateRow], *, run: str, strict: bool) -> str:
    if not rows:
        return f"## {_text(run)}: no gates\n"
    header, cells = gates(rows)
    decided = all(row.verdict == "passed" for row in rows)
    sign = "❌" if failing(rows, strict=strict) else "✅" if decided else "⚠️"
    lines = [
        f"## {sign} {_text(run)}: {summary(rows)}",
        "",
        _line(header),
        _line(["---"] * len(header)),
        *map(_line, cells),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(cell: str) -> str:
    text = printable(cell)
    for mark in "\\`*_<>[]|":
        text = text.replace(mark, f"\\{mark}")
    return text
