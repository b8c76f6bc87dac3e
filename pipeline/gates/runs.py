"""A finished run as the gates see it: its files on its devices, with what was measured."""

from pathlib import Path

from pipeline.gates.figures import Measured
from pipeline.reporting.schema import predictions, report
from pipeline.reporting.schema.predictions import Predictions
from pipeline.reporting.schema.report import Report
from targets.bench import result
from targets.bench.result import BenchResult
from targets.errors import InputError


def measured(run: Path) -> list[Measured]:
    """Every file of the results folder `run` on every device.

    Raises `InputError` where something of the run is missing or damaged.
    """
    found = report.read(run / report.FILE)
    if not found.models:
        raise InputError(f"{run}: the run has no files. Run the recipe again.")
    return measured_in(run, found)


def measured_in(folder: Path, found: Report) -> list[Measured]:
    """The rows of a report with the measurements in `folder`."""
    by_device: dict[str | None, tuple[Predictions, BenchResult]] = {}
    for path in sorted((folder / predictions.FOLDER).glob("*.json")):
        of_device = predictions.read(path)
        by_device[of_device.device] = (of_device, result.read(folder / "bench" / path.name))
    rows = []
    for row in found.models:
        if row.median_ns is not None and row.device not in by_device:
            raise InputError(
                f"{folder}: there are no predictions of {row.device}, which was measured. Run the "
                "recipe again: runs of earlier versions have none."
            )
        predicted, document = by_device.get(row.device, (None, None))
        rows.append(Measured(row=row, report=found, predictions=predicted, document=document))
    return rows
