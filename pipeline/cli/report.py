"""`pipeline report`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH

if TYPE_CHECKING:
    from pipeline.reporting.schema.report import Report


@click.command()
@click.argument("run", type=PATH)
@click.argument("other", type=PATH, required=False)
@JSON
def report(run: Path, other: Path | None, as_json: bool) -> None:
    """Show the results of a finished run or of a measurement, or compare two runs.

    RUN is the results folder of a run, or the .json file of a measurement. With OTHER, the results
    folder of another run, the files of both are compared: accuracy on the same test samples by
    McNemar's test, times by Welch's interval.

    \b
    Example:
      pipeline report runs/digits
      pipeline report runs/digits new/digits
    """
    from pipeline.reporting.schema.report import FILE, read

    if other is not None:
        _compare(run, other, as_json=as_json)
    elif run.suffix == ".json":
        _show_measurement(run, as_json=as_json)
    else:
        show(read(run / FILE), as_json=as_json)


def show(report: "Report", *, as_json: bool) -> None:
    from pipeline.reporting.tables.models import print_report

    if as_json:
        click.echo(report.dump(), nl=False)
    else:
        print_report(report)


def _compare(run: Path, other: Path, *, as_json: bool) -> None:
    from pipeline.gates import comparison, runs
    from pipeline.reporting.tables import comparison as tables
    from pipeline.reporting.tables.cells import print_rows

    rows = comparison.compared(runs.measured(run), runs.measured(other))
    if as_json:
        found = [row.model_dump(mode="json") for row in rows]
        click.echo(json.dumps({"schema": "comparison/1", "files": found}, indent=1))
    else:
        print_rows(*tables.comparison(rows))


def _show_measurement(path: Path, *, as_json: bool) -> None:
    from pipeline.reporting.tables.bench import print_measured
    from targets.bench.result import read

    document = read(path)
    if as_json:
        click.echo(document.dump(), nl=False)
    else:
        print_measured({path.stem: document})
