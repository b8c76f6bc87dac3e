"""`pipeline init`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH

if TYPE_CHECKING:
    from pipeline.datasets.folder.look import Look
    from pipeline.recipe.proposal import Choice


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
    from pipeline.datasets.folder.look import look
    from pipeline.recipe.load import load
    from pipeline.recipe.proposal import Found, name_of, propose, toml
    from pipeline.recipe.schema import DatasetConfig
    from targets.devices.cpus import available_cpus
    from targets.errors import InputError

    path = out or Path(f"{name_of(folder)}.toml")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already, and may hold changes of yours. Give another file with "
            "--out, or replace it with --overwrite."
        )
    looked = look(DatasetConfig(name="folder", path=folder))
    found = Found(
        path=str(folder),
        classes=looked.classes,
        train=looked.splits["train"] + looked.unlabelled,
        sides=looked.sides,
        cores=len(available_cpus()),
    )
    choices = propose(found, minutes=minutes)
    text = toml(name_of(folder), choices, head=_head(looked, folder))
    part = path.with_suffix(".toml.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text, encoding="utf-8")
    try:
        load(str(part))  # a recipe that its own check refuses is never left behind
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _show(looked, path, choices, as_json=as_json)


def _head(looked: "Look", folder: Path) -> list[str]:
    return [f"Written by `pipeline init {folder}`:", *(f"  {line}" for line in looked.summary())]


def _show(looked: "Look", path: Path, choices: "list[Choice]", *, as_json: bool) -> None:
    if as_json:
        made = [choice._asdict() for choice in choices]
        document = {"recipe": str(path), "found": looked.described(), "choices": made}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    for line in looked.summary():
        click.echo(line)
    click.echo("")
    width = max(len(f"{choice.table}.{choice.key}") for choice in choices)
    for choice in choices:
        if choice.reason:
            key, value = f"{choice.table}.{choice.key}", json.dumps(choice.value)
            click.echo(f"{key:<{width}}  {value:<22} {choice.reason}")
    click.echo(f"\n{path}\nNext: pipeline run {path} --target tflite")
