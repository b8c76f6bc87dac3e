"""`pipeline run`."""

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import RecipeOptions, recipe_options
from targets.errors import DeviceError

if TYPE_CHECKING:
    from pipeline.reporting.schema.report import Report


@click.command()
@recipe_options
def run(options: RecipeOptions, as_json: bool) -> int:
    """Train, distil, quantize, convert, measure and report RECIPE.

    RECIPE is the name of a built-in recipe or a .toml file. Stages whose results are stored already
    are reused. The results are in OUT/<recipe>/.

    \b
    Example:
      pipeline run digits --target tflite --target onnx --set distill.temperature=2
    """
    from pipeline.cli.report import show
    from pipeline.reporting.schema.report import FILE, read

    runner = options.runner()
    results = options.out / runner.recipe.name
    runner.run(results)
    report = read(results / FILE)
    show(report, as_json=as_json)
    if not as_json:
        click.echo(f"\n{results / 'report.html'}")
    return _exit_code(report)


def _exit_code(report: "Report") -> int:
    """Of a run that was delivered; says which devices and gates failed."""
    failed = report.environment.failed_devices
    for why in failed.values():
        click.echo(f"Error: {why}", err=True)
    missed = dict.fromkeys(row.name for row in report.gates if row.verdict == "failed")
    if missed:
        click.echo(f"Error: gates failed: {', '.join(missed)}.", err=True)
    return DeviceError.exit_code if failed else int(bool(missed))
