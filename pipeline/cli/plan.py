"""`pipeline plan`."""

import json

import click

from pipeline.cli.options import RecipeOptions, recipe_options


@click.command()
@recipe_options
def plan(options: RecipeOptions, as_json: bool) -> None:
    """Show which stages a run of RECIPE would reuse, and why.

    With --ablation, its variants are listed too. Nothing is run or written.

    \b
    Example:
      pipeline plan digits --set distill.temperature=2
    """
    runner = options.runner()
    steps = [*runner.plan(), *runner.plan_ablation()]
    if as_json:
        keys = ("name", "reused", "reason", "folder")
        click.echo(json.dumps([{key: getattr(s, key) for key in keys} for s in steps], indent=1))
        return
    for step in steps:
        click.echo(f"{step.name:<9} {'reused' if step.reused else 'fresh':<7} {step.reason}")
