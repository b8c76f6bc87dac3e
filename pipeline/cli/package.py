"""`pipeline package`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH
from pipeline.cli.signing_options import SigningOptions, signing_options
from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.reporting.schema.report import Report
    from targets.bundle.scrubbing import Scrubber

VERSION = r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}"


@click.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, help="Folder of the bundle.  [default: beside RUN]")
@click.option("--version", help="Version of the bundle.  [default: the date of the run]")
@click.option(
    "--samples",
    type=click.IntRange(min=1, max=32),
    default=16,
    show_default=True,
    help="Test samples in the bundle, at most as many as the run kept.",
)
@click.option("--teacher", is_flag=True, help="Also pack the files of the teacher.")
@click.option("--license", help="License of the models, as an SPDX identifier, for the card.")
@signing_options
@JSON
def package(as_json: bool, **options: object) -> None:
    """Pack a finished run into one file for its receiver.

    RUN is the results folder of a run. The zip holds the student's files with their descriptions,
    test samples, results, a model card, a bill of materials, provenance, predict.py, and code for
    Kotlin and C++ (of images). The same run gives the same bytes. `pipeline verify` checks it.

    \b
    Example:
      pipeline package runs/digits --version 1.2.0 --license Apache-2.0 --key private.pem
    """
    _package(Options(**options), as_json=as_json)  # type: ignore[arg-type] # click checks


@dataclass(frozen=True, kw_only=True)
class Options(SigningOptions):
    """The options as the command line gives them."""

    run: Path
    out: Path | None
    version: str | None
    samples: int
    teacher: bool
    license: str | None


def _package(options: Options, *, as_json: bool) -> None:
    from tempfile import TemporaryDirectory

    from pipeline.reporting.bundle_facts import facts_of
    from targets.bundle import archive, contents

    _require_version(options.version)
    signer = options.signer()
    report, scrubber = _report(options.run)
    facts = facts_of(
        options.run,
        report,
        version=options.version,
        license=options.license,
        teacher=options.teacher,
    )
    # Not inside the results, which the next run replaces: of "." the parent is ".".
    beside = options.run.parent if options.run.name else options.run.resolve().parent
    out = (options.out or beside) / f"{facts.name}-{facts.version}.zip"
    wanted = contents.Wanted(samples=options.samples, signed=signer is not None)
    with TemporaryDirectory() as place:
        folder = Path(place)
        bundle = contents.write(options.run, folder, facts, scrubber, wanted)
        if signer is not None:
            signer(folder)
        sha256 = archive.write(folder, out)
    for decision in report.decision:
        if not decision.ship:
            click.echo(f"{decision.verdict}: {decision.reason}.", err=True)
    if as_json:
        found = {"schema": "package/1", "file": str(out), "sha256": sha256}
        click.echo(json.dumps({**found, "bundle": bundle.model_dump(by_alias=True)}, indent=1))
        return
    click.echo(f"{out}  {out.stat().st_size / 1000:,.1f} kB  sha256 {sha256}")
    if len(bundle.samples) < options.samples:
        click.echo(
            f"It has {len(bundle.samples)} samples: no others of the run are clear in every file.",
            err=True,
        )


def _require_version(version: str | None) -> None:
    import re

    if version is not None and not re.fullmatch(VERSION, version):
        raise InputError(
            f"--version {version}: can have letters, digits, '.', '_', '+' and '-', and begins "
            "with a letter or digit: 1.2.0."
        )


def _report(run: Path) -> "tuple[Report, Scrubber]":
    """The report without what it says of the machines of the run."""
    from pipeline.reporting.schema.report import FILE, Report, read
    from targets.bundle.scrubbing import Scrubber

    report, scrubber = read(run / FILE), Scrubber()
    devices = report.environment.devices
    names = {*devices, *report.environment.failed_devices}
    scrubber.add_devices(sorted(names), {name: str(one.get("id")) for name, one in devices.items()})
    tracking = report.recipe.get("tracking")
    if isinstance(tracking, dict):
        scrubber.add_server(str(tracking.get("mlflow")))
    content = scrubber.json(report.model_dump(mode="json", by_alias=True))
    return Report.model_validate(content), scrubber
