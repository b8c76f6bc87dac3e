"""`pipeline init`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH

if TYPE_CHECKING:
    from pipeline.recipe.writing import Written


@click.command()
@click.argument("data", type=PATH)
@click.option("--out", type=PATH, help="Recipe file to write [default: DATA's name.toml, here].")
@click.option(
    "--minutes",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Time that a run may take on this machine; sizes and epochs follow from it.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of [dataset] that is not guessed, as dataset.text_column=v2; may be repeated.",
)
@JSON
def init(
    data: Path,
    out: Path | None,
    minutes: float,
    overwrite: bool,
    sets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Look at the pictures, sounds, texts or arrays in DATA and write a recipe, with a reason
    beside each value.

    Pictures and sounds: DATA is a folder with a folder for each class, or with a table (.csv, .tsv)
    of files and labels. Splits in folders named train, val and test are used; files in unlabelled/
    join the distillation. The names of sounds may hold their class and speaker. Texts: DATA is a
    .csv, .tsv or .jsonl file with the columns text and label, or a folder of one for each split.
    Arrays: DATA is an .npz file with float values and labels, or with x_train, y_train and so on.

    \b
    Examples:
      pipeline init photos/ && pipeline run photos.toml --target tflite
      pipeline init words/ && pipeline run words.toml --target tflite
      pipeline init questions.csv && pipeline run questions.toml --target tflite
      pipeline init sensors.npz && pipeline run sensors.toml --target tflite
    """
    from pipeline.recipe.load import parse_override
    from pipeline.recipe.writing import write_recipe

    given = [parse_override(text) for text in sets]
    written = write_recipe(data, out, minutes=minutes, overwrite=overwrite, given=given)
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
