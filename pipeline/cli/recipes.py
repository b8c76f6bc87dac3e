"""`pipeline recipes`."""

import json

import click

from pipeline.cli.options import JSON


@click.command()
@JSON
def recipes(as_json: bool) -> None:
    """List the built-in recipes with their cost and accuracy.

    \b
    Example:
      pipeline recipes
    """
    from pipeline.recipe.load import built_in, load

    about = {name: load(name).about for name in built_in()}
    if as_json:
        click.echo(json.dumps({name: one.model_dump() for name, one in about.items()}, indent=1))
        return
    for name, one in about.items():
        click.echo(f"{name}\n  {one.summary}")
        for key, value in (("cost", one.cost), ("reaches", one.reaches)):
            click.echo(f"  {key:<8} {value or 'not measured yet'}")
