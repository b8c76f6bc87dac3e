"""Made-up reports, and the tables of their pages."""

import html
import re
from collections.abc import Sequence

from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import Report

CLASSES = ("coat", "[b]shirt", "bag", "boot")


def model_row(name: str, *, top1: float = 0.97, us: float = 50, **changes: object) -> ModelRow:
    """A quiet row, its time known within 2 %: `name` is <role>.<precision>.<format>."""
    role, precision, kind = name.split(".")
    ns = 1000 * us
    return ModelRow.model_validate(
        {
            "name": name, "role": role, "seed": 0, "format": kind, "precision": precision,
            "file": f"models/{name}", "sha256": "0" * 64, "size_bytes": 100_000, "parameters": 5,
            "macs": 7, "top1": top1, "top1_ci": (top1 - 0.005, top1 + 0.005),
            "agreement_with_teacher": 0.97, "device": "local", "runtime": "one 1.0", "threads": 1,
            "median_ns": ns, "median_ci": (0.98 * ns, 1.02 * ns), "p90_ns": round(1.2 * ns),
            "speedup_vs_teacher": 20.0, "speedup_ci": (18.0, 22.0), "speedup_verdict": "faster",
            "valid": True, "blocks": 6,
        }
        | changes
    )  # fmt: skip


def changed(row: ModelRow, **changes: object) -> ModelRow:
    return ModelRow.model_validate(row.model_dump() | changes)


def report(rows: Sequence[ModelRow], **changes: object) -> Report:
    return Report.model_validate(
        {
            "created_utc": "2026-01-01T00:00:00+00:00",
            "recipe": {"name": "made-up", "bench": {"processes": 6, "threads": 1}},
            "seed": 0,
            "wall_s": 1.0,
            "stages": [],
            "environment": {"python": "3", "platform": "none", "libraries": {}, "devices": {}},
            "dataset": {
                "name": "x", "train": 3, "val": 2, "test": 2000, "classes": CLASSES, "sha256": "",
            },
            "models": rows,
            "parity": [],
        }
        | changes
    )  # fmt: skip


def with_rows(report: Report, rows: Sequence[ModelRow], **changes: object) -> Report:
    """The same report with these rows, every one of them changed."""
    return report.model_copy(update={"models": tuple(changed(row, **changes) for row in rows)})


def of(report: Report, **changes: object) -> Report:
    """The same report with every row changed."""
    return with_rows(report, report.models, **changes)


def two_formats() -> Report:
    """Nothing that a report need not hold."""
    return report(
        [
            model_row(f"{name}.{kind}", top1=top1)
            for kind in ("tflite", "onnx")
            for name, top1 in (
                ("teacher.float32", 0.941),
                ("student.float32", 0.929),
                ("student.int8", 0.928),
            )
        ]
    )


def cells(page: str, first: str) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the first table whose first column is `first`."""
    for text in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        header = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", text)
        if header[0] == first:
            rows = re.findall(r"<tr>(<td.*?)</tr>", text, re.DOTALL)
            plain = [re.findall(r"<span>(.*?)</span>", row) for row in rows]
            return header, [[html.unescape(c.replace("<wbr>", "")) for c in row] for row in plain]
    raise AssertionError(f"no table of {first}")
