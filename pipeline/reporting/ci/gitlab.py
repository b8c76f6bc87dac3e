"""GitLab's code-quality report: the issues of a merge request."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import failing, sentence
from targets.files.published import published

SEVERITIES = {"undecided": "minor", "skipped": "info"}


def write(rows: Sequence[GateRow], path: Path, *, recipe: str, strict: bool) -> None:
    """`recipe`: the file that the issues are shown at."""
    bad = failing(rows, strict=strict)
    issues = [
        _issue(row, recipe, "major" if row in bad else SEVERITIES[row.verdict])
        for row in rows
        if row.verdict != "passed"
    ]
    with published(path, remedy="Give another file with --gitlab.") as part:
        part.write_text(json.dumps(issues, indent=1) + "\n", encoding="utf-8")


def _issue(row: GateRow, recipe: str, severity: str) -> dict[str, object]:
    # The same from run to run, so that GitLab knows an issue again: without the figures.
    place = f"{row.name}\0{row.file}\0{row.device}"
    return {
        "check_name": row.name,
        "description": sentence(row),
        "severity": severity,
        "fingerprint": hashlib.sha256(place.encode()).hexdigest(),
        "location": {"path": recipe, "lines": {"begin": 1}},
    }
