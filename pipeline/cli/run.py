"""`pipeline run`."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import RecipeOptions, run_options
from targets.errors import DeviceError, InputError

if TYPE_CHECKING:
    from pipeline.engine.runner import Runner
    from pipeline.reporting.schema.report import Report


@click.command()
@run_options
def run(several: Sequence[RecipeOptions], cluster: str | None, as_json: bool) -> int:
    """Train, distil, quantize, convert, measure and report RECIPE, or several.

    RECIPE is the name of a built-in recipe or a .toml file [default: digits]. Stages whose results
    are stored already are reused. The results are in OUT/<recipe>/. With --json, several runs are a
    list. --cluster trains independent stages at the same time; this process measures.

    \b
    Example:
      pipeline run digits --target tflite --target onnx --set distill.temperature=2
      pipeline run digits --ablation --cluster local --set threads=1
    """
    runners = {options.out / one.recipe.name: one for options, one in _runners(several)}
    if cluster is not None:
        _make_ahead(runners, cluster, force=bool(several[0].force))
    reports = [_delivered(runner, results, as_json) for results, runner in runners.items()]
    if as_json:
        click.echo(_json(reports), nl=False)
    return max(_exit_code(report) for report in reports)


def _runners(several: Sequence[RecipeOptions]) -> "list[tuple[RecipeOptions, Runner]]":
    runners = [(options, options.runner()) for options in several]
    for name, count in Counter(runner.recipe.name for _, runner in runners).items():
        if count > 1:
            raise InputError(
                f"RECIPE, --seed: {count} runs have the results folder {name}. Give each seed and "
                "recipe once, and recipes of one name with different --out."
            )
    return runners


def _make_ahead(runners: "dict[Path, Runner]", name: str, *, force: bool) -> None:
    """All that trains, before this process measures anything."""
    from pipeline.cluster import cluster
    from pipeline.cluster.ahead import make_ahead, with_variants
    from pipeline.engine.delivery import require_place

    if force:
        raise InputError("--force: trains in this process. Leave out --cluster, or --force.")
    for results, runner in runners.items():
        require_place(results, store=runner.store.root)
        runner.check()
    first = next(iter(runners.values()))
    threads = min(runner.recipe.threads for runner in runners.values())
    every = dict(one for runner in runners.values() for one in with_variants(runner))
    with first.store.used(first.console), cluster(name, first.store, threads=threads) as workers:
        make_ahead(every, workers, console=first.console)


def _delivered(runner: "Runner", results: Path, as_json: bool) -> "Report":
    from pipeline.cli.report import show
    from pipeline.reporting.schema.report import FILE, read

    runner.run(results)
    report = read(results / FILE)
    if not as_json:
        show(report, as_json=False)
        click.echo(f"\n{results / 'report.html'}")
    return report


def _json(reports: "Sequence[Report]") -> str:
    if len(reports) == 1:
        return reports[0].dump()
    every = [report.model_dump(mode="json", by_alias=True) for report in reports]
    return json.dumps(every, indent=1) + "\n"


def _exit_code(report: "Report") -> int:
    """Of a run that was delivered; says which devices and gates failed."""
    failed = report.environment.failed_devices
    for why in failed.values():
        click.echo(f"Error: {why}", err=True)
    missed = dict.fromkeys(row.name for row in report.gates if row.verdict == "failed")
    if missed:
        click.echo(f"Error: gates failed: {', '.join(missed)}.", err=True)
    return DeviceError.exit_code if failed else int(bool(missed))
