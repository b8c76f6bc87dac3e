"""`pipeline report`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH

if TYPE_CHECKING:
    from pipeline.reporting.schema.report import Report


@click.command()
@click.argument("run", type=PATH)
@JSON
def report(run: Path, as_json: bool) -> None:
    """Show the results of a finished run or of a measurement.

    RUN is the results folder of a run, or the .json file of a measurement.

    \b
    Example:
      pipeline report runs/digits
    """
    from pipeline.reporting.schema.report import FILE, read

    if run.suffix == ".json":
        _show_measurement(run, as_json=as_json)
    else:
        show(read(run / FILE), as_json=as_json)


def show(report: "Report", *, as_json: bool) -> None:
    from pipeline.reporting.tables.models import print_report

    if as_json:
        click.echo(report.dump(), nl=False)
    else:
        print_report(report)


def _show_measurement(path: Path, *, as_json: bool) -> None:
    from pipeline.reporting.tables.bench import print_measured
    from targets.bench.result import read

    document = read(path)
    if as_json:
        click.echo(document.dump(), nl=False)
    else:
        print_measured({path.stem: document})
