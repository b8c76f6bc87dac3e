"""The verdicts as GitHub and GitLab show them in a summary: the decision, then why."""

from collections.abc import Iterator, Sequence

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.cells import Table
from pipeline.reporting.tables.changes import changes
from pipeline.reporting.tables.gates import failing, gates, sentence, summary
from targets.errors import printable


def page(rows: Sequence[GateRow], *, run: str, strict: bool) -> str:
    if not rows:
        return f"## {_text(run)}: no gates\n"
    bad = failing(rows, strict=strict)
    lines = [f"## {_decision(rows, bad, run=_text(run))}: {summary(rows)}", ""]
    lines += [f"- {_text(sentence(row))}" for row in bad]
    limits = [row for row in rows if not row.vs_baseline]
    moved = [row for row in rows if row.vs_baseline]
    if moved:
        lines += _section("Against the baseline", changes(moved))
    if limits:
        lines += _section("Gates", gates(limits))
    return "\n".join(lines) + "\n"


def failure(recipe: str, *, code: int, why: Sequence[str]) -> str:
    """Of a run that made no results."""
    lines = [
        f"## ❌ {_text(recipe)} has no results: `pipeline run` ended with exit code {code}",
        "",
    ]
    return "\n".join([*lines, *(f"- {_text(line)}" for line in why)]) + "\n"


def _decision(rows: Sequence[GateRow], bad: Sequence[GateRow], *, run: str) -> str:
    if bad:
        return f"❌ {run} fails its gates"
    if all(row.verdict == "passed" for row in rows):
        return f"✅ {run} passes its gates"
    return f"⚠️ {run} fails no gate, and not all are decided"


def _section(title: str, table: Table) -> Iterator[str]:
    header, cells = table
    yield from ("", f"### {title}", "", _line(header), _line(["---"] * len(header)))
    yield from map(_line, cells)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(cell: str) -> str:
    text = printable(cell)
    for mark in "\\`*_<>[]|":
        text = text.replace(mark, f"\\{mark}")
    return text
