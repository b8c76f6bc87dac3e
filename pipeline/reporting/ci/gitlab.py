"""GitLab's code-quality report: the issues of a merge request."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import sentence
from targets.published import published

SEVERITIES = {"failed": "major", "undecided": "minor", "skipped": "info"}


def write(rows: Sequence[GateRow], path: Path, *, recipe: str) -> None:
    """`recipe`: the file that the issues are shown at."""
    issues = [_issue(row, recipe) for row in rows if row.verdict in SEVERITIES]
    with published(path, remedy="Give another file with --gitlab.") as part:
        part.write_text(json.dumps(issues, indent=1) + "\n", encoding="utf-8")


def _issue(row: GateRow, recipe: str) -> dict[str, object]:
    # The same from run to run, so that GitLab knows an issue again: without the figures.
    place = f"{row.name}\0{row.file}\0{row.device}"
    return {
        "check_name": row.name,
        "description": sentence(row),
        "severity": SEVERITIES[row.verdict],
        "fingerprint": hashlib.sha256(place.encode()).hexdigest(),
        "location": {"path": recipe, "lines": {"begin": 1}},
    }
