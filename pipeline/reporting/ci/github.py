"""Annotations of GitHub Actions: workflow commands on stdout, which it shows beside the job."""

from collections.abc import Iterator, Sequence

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import failing, sentence

LEVELS = {"undecided": "warning", "skipped": "notice"}


def annotations(rows: Sequence[GateRow], *, strict: bool) -> Iterator[str]:
    bad = failing(rows, strict=strict)
    for row in rows:
        level = "error" if row in bad else LEVELS.get(row.verdict)
        if level is not None:
            yield f"::{level} title={_escaped(row.name, ',:')}::{_escaped(sentence(row))}"


def _escaped(text: str, also: str = "") -> str:
    """As the documentation of workflow commands asks for; `%` first."""
    for mark in f"%\r\n{also}":
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
