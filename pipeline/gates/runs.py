"""A finished run as the gates see it: its files on its devices, with what was measured."""

from pathlib import Path

from pipeline.gates.figures import Measured
from pipeline.reporting.schema import predictions, report
from pipeline.reporting.schema.predictions import Predictions
from pipeline.reporting.schema.report import Report
from targets.bench import result
from targets.bench.result import BenchResult


def measured(run: Path) -> list[Measured]:
    """Every file of the results folder `run` on every device. Raises `InputError`."""
    return measured_in(run, report.read(run / report.FILE))


def measured_in(folder: Path, found: Report) -> list[Measured]:
    """The rows of a report with the measurements in `folder`."""
    by_device: dict[str | None, tuple[Predictions, BenchResult]] = {}
    for path in sorted((folder / predictions.FOLDER).glob("*.json")):
        of_device = predictions.read(path)
        by_device[of_device.device] = (of_device, result.read(folder / "bench" / path.name))
    rows = []
    for row in found.models:
        predicted, document = by_device.get(row.device, (None, None))
        rows.append(Measured(row=row, report=found, predictions=predicted, document=document))
    return rows
