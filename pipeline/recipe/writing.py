"""A recipe file for a folder of pictures: looked at, proposed, checked and written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.folder.look import Look, look
from pipeline.recipe.load import load
from pipeline.recipe.proposal import Choice, Found, name_of, propose, toml
from pipeline.recipe.schema import DatasetConfig
from targets.devices.cpus import available_cpus
from targets.errors import InputError, printable
from targets.files.published import published


@dataclass(frozen=True, kw_only=True)
class Written:
    path: Path
    looked: Look
    choices: Sequence[Choice]


def write_recipe(
    folder: Path, out: Path | None, *, minutes: float, overwrite: bool = False
) -> Written:
    """Write `out`, by default a file with the folder's name in the current folder.

    Raises `InputError` for a folder that is no data set, and for a file that is there already.
    """
    path = out or Path(f"{name_of(folder)}.toml")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already, and may hold changes of yours. Give another file with "
            "--out, or replace it with --overwrite."
        )
    if any("\ud800" <= letter <= "\udfff" for letter in str(folder)):
        raise InputError(
            f"{printable(str(folder))}: the name of the folder is not UTF-8, as a recipe is. "
            "Rename the folder."
        )
    looked = look(DatasetConfig(name="folder", path=folder))
    choices = propose(_found(looked, folder), minutes=minutes)
    head = [f"Written by `pipeline init {folder}`:", *(f"  {line}" for line in looked.summary())]
    _publish(toml(name_of(folder), choices, head=head), path)
    return Written(path=path, looked=looked, choices=choices)


def _found(looked: Look, folder: Path) -> Found:
    return Found(
        path=str(folder),
        classes=looked.classes,
        train=looked.splits["train"] + looked.unlabelled,
        sides=looked.sides,
        cores=len(available_cpus()),
    )


def _publish(text: str, path: Path) -> None:
    """A recipe that its own check refuses is never left behind."""
    with published(path, remedy="Give another file with --out.") as part:
        part.write_text(text, encoding="utf-8")
        load(str(part))
