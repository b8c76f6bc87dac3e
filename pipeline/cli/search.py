"""`pipeline search`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import RecipeOptions, search_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.recipe.load import Override
    from pipeline.reporting.schema.search import SearchResult


@click.command()
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="What the file must keep on every device, such as 'p90 <= 5 ms', 'median <= 2 ms', "
    "'size <= 500 kB' or 'memory <= 50 MB'; may be repeated.",
)
@click.option("--trials", type=int, help="Students that are measured [default: 40].")
@search_options
def search(
    options: RecipeOptions,
    as_json: bool,
    limits: tuple[str, ...],
    trials: int | None,
    cluster: str | None,
) -> int:
    """Find the most accurate student of RECIPE that keeps the limits on the device.

    Each candidate is measured on the device before it is trained; what exceeds a limit is never
    trained. The dimensions are those of [search.space] in the recipe, or the defaults for its kind
    of data. The results are in OUT/<recipe>-search/: search.html, search.json and best.toml, the
    recipe of the recommended student. The same command goes on with an interrupted search.

    \b
    Example:
      pipeline search photos.toml --device pi4 --limit 'p90 <= 5 ms' --limit 'size <= 500 kB'
    """
    result = _search(options, [*_overrides(limits, trials)], cluster)
    _show(result, options, as_json=as_json)
    return 0 if result.recommendation is not None else 1


def _overrides(limits: tuple[str, ...], trials: int | None) -> "Iterator[Override]":
    from pipeline.recipe.load import Override

    if limits:
        yield Override("search.limits", limits, "--limit")
    if trials is not None:
        yield Override("search.trials", trials, "--trials")


def _search(
    options: RecipeOptions, overrides: "list[Override]", where: str | None
) -> "SearchResult":
    from pipeline.cluster import cluster
    from pipeline.engine.progress import console
    from pipeline.engine.runner import Runner
    from pipeline.search.bench import device_bench
    from pipeline.search.search import Search
    from pipeline.search.space import space_of

    source, store, shown = options.source(*overrides), options.stored(), console()
    recipe = source.recipe()
    folder = options.out / f"{recipe.name}-search"
    formats = space_of(source).formats(recipe)
    store.require()
    Runner(recipe=recipe, store=store, console=shown).check_data()
    with (
        cluster(where, store, threads=recipe.threads) as workers,
        TemporaryDirectory(prefix="pipeline-search-") as scratch,
    ):
        measuring = device_bench(recipe, formats, scratch=Path(scratch), say=shown.say)
        return Search(
            source=source,
            folder=folder,
            store=store,
            cluster=workers,
            measuring=measuring,
            console=shown,
        ).run()


def _show(result: "SearchResult", options: RecipeOptions, *, as_json: bool) -> None:
    from pipeline.reporting.findings.search import decision
    from pipeline.reporting.tables.search import print_search

    if as_json:
        click.echo(result.dump(), nl=False)
    else:
        print_search(result)
        folder = options.out / f"{result.recipe}-search"
        click.echo(f"\n{folder / 'search.html'}")
        if result.recommendation is not None:
            click.echo(f"Next: pipeline run {folder / 'best.toml'}")
    if result.recommendation is None:
        click.echo(f"Error: {decision(result).text}", err=True)
