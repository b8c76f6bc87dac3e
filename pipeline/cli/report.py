"""`pipeline report`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH
from targets.errors import InputError
from targets.files.published import published

if TYPE_CHECKING:
    from pipeline.reporting.schema.report import Report


@click.command()
@click.argument("run", type=PATH)
@click.argument("other", type=PATH, required=False)
@click.option(
    "--html",
    type=PATH,
    help="Write the comparison with OTHER, or the page of a search, to this file.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in your browser.")
@JSON
def report(run: Path, other: Path | None, html: Path | None, opens: bool, as_json: bool) -> None:
    """Show the results of a finished run, of a search or of a measurement, or compare two runs.

    RUN is the results folder of a run or of a search, or the .json file of a measurement. With
    OTHER, the results folder of another run, the files of both are compared: accuracy on the same
    test samples by McNemar's test, times by Welch's interval.

    \b
    Example:
      pipeline report runs/digits --open
      pipeline report runs/digits-search --json
      pipeline report runs/digits new/digits --html comparison.html
    """
    from pipeline.reporting.schema.report import FILE, read

    if (search := _search(run, other)) is not None:
        _show_search(search, html, opens=opens, as_json=as_json)
        return
    page = _page(run, other, html, opens=opens)
    if other is not None:
        _compare(run, other, as_json=as_json, html=html)
    elif run.suffix == ".json":
        _show_measurement(run, as_json=as_json)
    else:
        show(read(run / FILE), as_json=as_json)
    if page is not None:
        _open(page)


def _page(run: Path, other: Path | None, html: Path | None, *, opens: bool) -> Path | None:
    """The page to open, if one is."""
    if other is None and html is not None:
        raise InputError(
            f"--html {html}: is for the comparison with OTHER. The page of a run is "
            f"{run / 'report.html'}."
        )
    if not opens:
        return None
    if other is not None and html is None:
        raise InputError("--open: a comparison has a page with --html FILE. Add it.")
    page = html or run / "report.html"
    if html is None and not page.is_file():
        raise InputError(f"--open: there is no {page}. Give the results folder of a run.")
    return page


def _open(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        raise InputError(f"--open: no browser was found. Open {page} yourself.")


def show(report: "Report", *, as_json: bool) -> None:
    from pipeline.reporting.tables.models import print_report

    if as_json:
        click.echo(report.dump(), nl=False)
    else:
        print_report(report)


def _compare(run: Path, other: Path, *, as_json: bool, html: Path | None) -> None:
    from pipeline.gates import comparison, runs
    from pipeline.reporting.tables import comparison as tables
    from pipeline.reporting.tables.cells import print_rows

    rows = comparison.compared(runs.measured(run), runs.measured(other))
    if html is not None:
        from pipeline.reporting.pages.comparison import render

        with published(html, remedy="Choose another --html.") as part:
            part.write_text(render(rows, first=str(run), second=str(other)), "utf-8")
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


def _search(run: Path, other: Path | None) -> Path | None:
    """The document of the search whose folder, or whose document, RUN is."""
    from pipeline.reporting.schema.search import FILE

    path = run if run.name == FILE else run / FILE
    if path != run and not path.is_file():
        return None
    if other is not None:
        raise InputError(f"{run}: is a search. OTHER compares two runs: run its best.toml.")
    return path


def _show_search(path: Path, html: Path | None, *, opens: bool, as_json: bool) -> None:
    from pipeline.reporting.pages import search as pages
    from pipeline.reporting.schema.search import read
    from pipeline.reporting.tables.search import print_search

    found = read(path)
    page = html or path.with_name(pages.FILE)
    if html is not None:
        pages.write(found, html)
    if opens and not page.is_file():
        raise InputError(f"--open: there is no {page}. Write it with --html {page}.")
    if as_json:
        click.echo(found.dump(), nl=False)
    else:
        print_search(found)
    if opens:
        _open(page)
