"""`pipeline check`."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH
from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.gates.figures import Measured
    from pipeline.recipe.gates import Gates
    from pipeline.reporting.schema.gate import GateRow


@click.command()
@click.argument("run", type=PATH)
@click.option("--gates", type=PATH, help="File of gates in place of those of the recipe.")
@click.option("--baseline", type=PATH, help="File of an earlier run, to compare with.")
@click.option(
    "--update-baseline",
    is_flag=True,
    help="Write this run to the file of --baseline, unless a gate fails.",
)
@click.option("--strict", is_flag=True, help="Undecided and skipped gates fail too.")
@click.option("--junit", type=PATH, help="Also write the verdicts as JUnit XML.")
@click.option("--markdown", type=PATH, help="Also write the verdicts as Markdown.")
@click.option("--gitlab", type=PATH, help="Also write GitLab's code-quality report.")
@JSON
def check(as_json: bool, **options: object) -> int:
    """Check a finished run against its gates, and against a baseline.

    RUN is the results folder of a run. A gate passes or fails where the 95 % interval of the figure
    decides it; else it is undecided. The exit code is 1 if a gate failed. Under GITHUB_ACTIONS the
    verdicts are annotations and a part of the job's summary.

    \b
    Example:
      pipeline check runs/digits --baseline baseline.json --junit gates.xml
    """
    return _check(Options(**options), as_json=as_json)  # type: ignore[arg-type] # click checks


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options as the command line gives them."""

    run: Path
    gates: Path | None
    baseline: Path | None
    update_baseline: bool
    strict: bool
    junit: Path | None
    markdown: Path | None
    gitlab: Path | None


def _check(options: Options, *, as_json: bool) -> int:
    from pipeline.gates import baseline, checking, runs
    from pipeline.reporting.tables.gates import failing

    found = runs.measured(options.run)
    before = None
    if options.baseline is not None and not options.update_baseline:
        before = baseline.read(options.baseline)
    rows = checking.check(found, _gates(options, found), before=before)
    name = str(found[0].report.recipe["name"])
    _show(rows, name, strict=options.strict, as_json=as_json)
    _write(rows, name, options)
    if failing(rows, strict=options.strict):
        return 1
    if options.baseline is not None and options.update_baseline:
        baseline.write(baseline.of(found), options.baseline)
    return 0


def _gates(options: Options, found: "Sequence[Measured]") -> "Gates":
    from pipeline.gates import checking

    if options.update_baseline and options.baseline is None:
        raise InputError("--update-baseline needs the file: give it with --baseline.")
    if options.gates is not None:
        return checking.read(options.gates)
    gates = checking.gates_of(found[0].report)
    if not gates.any and options.baseline is None:
        raise InputError(
            f"{options.run}: its recipe has no [gates], so that there is nothing to check. Set "
            "them in the recipe, or give --gates or --baseline."
        )
    return gates


def _show(rows: "Sequence[GateRow]", name: str, *, strict: bool, as_json: bool) -> None:
    from pipeline.reporting.ci.github import annotations
    from pipeline.reporting.tables.cells import print_rows
    from pipeline.reporting.tables.gates import gates, summary

    if as_json:
        verdicts = [row.model_dump(mode="json") for row in rows]
        click.echo(json.dumps({"schema": "check/1", "run": name, "gates": verdicts}, indent=1))
        return
    if rows:
        print_rows(*gates(rows), left=2)
        click.echo(summary(rows))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotations(rows, strict=strict):
            click.echo(line)


def _write(rows: "Sequence[GateRow]", name: str, options: Options) -> None:
    from pipeline.reporting.ci import gitlab, junit
    from pipeline.reporting.ci.markdown import page
    from targets.files.published import published

    text = page(rows, run=name, strict=options.strict)
    if options.junit is not None:
        junit.write(rows, options.junit, run=name, strict=options.strict)
    if options.markdown is not None:
        with published(options.markdown, remedy="Give another file with --markdown.") as part:
            part.write_text(text, encoding="utf-8")
    if options.gitlab is not None:
        gitlab.write(rows, options.gitlab, recipe=f"{name}.toml", strict=options.strict)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            # The verdict counts, not its copy.
            click.echo(f"GITHUB_STEP_SUMMARY {summary}: {error.strerror}: not written.", err=True)
