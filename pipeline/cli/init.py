"""`pipeline init`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH

if TYPE_CHECKING:
    from pipeline.recipe.writing import Written


@click.command()
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, help="Recipe file to write [default: FOLDER's name.toml, here].")
@click.option(
    "--minutes",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Time that a run may take on this machine; sizes and epochs follow from it.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@JSON
def init(folder: Path, out: Path | None, minutes: float, overwrite: bool, as_json: bool) -> None:
    """Look at the pictures in FOLDER and write a recipe for them, with a reason beside each value.

    FOLDER holds a folder for each class, or a table (.csv, .tsv) of files and labels. Splits in
    folders named train, val and test are used; pictures in unlabelled/ join the distillation.

    \b
    Example:
      pipeline init photos/ && pipeline run photos.toml --target tflite
    """
    from pipeline.recipe.writing import write_recipe

    written = write_recipe(folder, out, minutes=minutes, overwrite=overwrite)
    _show(written, as_json=as_json)


def _show(written: "Written", *, as_json: bool) -> None:
    from targets.errors import printable

    looked, path, choices = written.looked, written.path, written.choices
    if as_json:
        made = [choice._asdict() for choice in choices]
        document = {"recipe": str(path), "found": looked.described(), "choices": made}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    for line in looked.summary():
        click.echo(printable(line))
    click.echo("")
    width = max(len(f"{choice.table}.{choice.key}") for choice in choices)
    for choice in choices:
        key, value = f"{choice.table}.{choice.key}", json.dumps(choice.value)
        click.echo(printable(f"{key:<{width}}  {value:<22} {choice.reason}"))
    click.echo(f"\n{path}\nNext: pipeline run {path} --target tflite")
