"""What distillation and int8 do on each task, from finished runs that were made with `--ablation`.

python benchmarks/tasks.py runs/trec runs/digits-spoken --out benchmarks/results/tasks.json
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.reporting.formatting import percent
from pipeline.reporting.schema.ablation import Variant
from pipeline.reporting.schema.report import FILE, Report, read

COLUMNS = {
    "teacher": "teacher",
    "student_scratch": "student alone",
    "student_kd": "distilled",
    "kd_qat": "int8",
}
"""Variant of the ablation -> head of its column."""


def of_run(folder: Path) -> dict[str, Any]:
    report = read(folder / FILE)
    if report.ablation is None:
        raise click.ClickException(f"{folder}: was made without --ablation")
    used = {"name", "kind", "train", "val", "test", "sha256", "majority_share", "test_imbalance"}
    return {
        "created_utc": str(report.created_utc),
        "recipe": report.recipe,
        "dataset": report.dataset.model_dump(mode="json", include=used),
        "environment": report.environment.model_dump(mode="json"),
        "models": [row.model_dump(mode="json") for row in report.models],
        "ablation": report.ablation.model_dump(mode="json", by_alias=True),
    }


def table(folders: Sequence[Path]) -> Iterator[str]:
    """In Markdown: means over seeds, and the gain of distillation with its tests."""
    heads = ["task", "test", *COLUMNS.values(), "distillation adds", "TFLite", "ONNX"]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for report in (read(folder / FILE) for folder in folders):
        yield f"| {' | '.join(_cells(report))} |"


def _cells(report: Report) -> Iterator[str]:
    found = report.ablation
    assert found is not None
    variants = {one.name: one for one in found.variants}
    yield str(report.recipe["name"])
    yield f"{found.test_samples:,}"
    for name in COLUMNS:
        yield _accuracy(variants[name]) if name in variants else "-"
    yield next((step.words for step in found.steps if step.adds == "distillation"), "-")
    for kind in ("tflite", "onnx"):
        size = (one.size_bytes for one in report.models if one.name == f"student.int8.{kind}")
        yield f"{next(size) / 1000:.1f} kB"


def _accuracy(one: Variant) -> str:
    """The mean, and each seed's."""
    seeds = " ".join(percent(run.top1) for run in one.runs)
    return percent(one.top1) if len(one.runs) == 1 else f"{percent(one.top1)} ({seeds})"


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), help="JSON file of all figures.")
def main(runs: tuple[Path, ...], out: Path | None) -> None:
    if out:
        made = {"schema": "tasks/1", "tasks": [of_run(run) for run in runs]}
        out.write_text(json.dumps(made, indent=1) + "\n")
    click.echo("\n".join(table(runs)))


if __name__ == "__main__":
    main()
