"""A recipe file for pictures, sounds, texts or arrays: looked at, proposed and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.datasets.arrays import look as arrays
from pipeline.datasets.folder.look import look
from pipeline.datasets.sounds import look as sounds
from pipeline.datasets.texts import look as texts
from pipeline.recipe.array_proposal import STUDENT as ARRAY_STUDENT
from pipeline.recipe.array_proposal import TEACHER as ARRAY_TEACHER
from pipeline.recipe.array_proposal import FoundArrays, propose_arrays
from pipeline.recipe.load import Override, Source, load
from pipeline.recipe.proposal import Choice, Found, name_of, propose, toml
from pipeline.recipe.schema import DatasetConfig
from pipeline.recipe.sound_proposal import STUDENT, TEACHER, FoundSounds, propose_sounds
from pipeline.recipe.text_proposal import STUDENT as TEXT_STUDENT
from pipeline.recipe.text_proposal import TEACHER as TEXT_TEACHER
from pipeline.recipe.text_proposal import FoundTexts, propose_texts
from targets.devices.cpus import available_cpus
from targets.errors import InputError, printable
from targets.files.published import published


class Looked(Protocol):
    """What is at the path."""

    def summary(self) -> list[str]: ...

    def described(self) -> dict[str, object]: ...


@dataclass(frozen=True, kw_only=True)
class Written:
    path: Path
    looked: Looked
    choices: Sequence[Choice]


def write_recipe(
    data: Path,
    out: Path | None,
    *,
    minutes: float,
    overwrite: bool = False,
    given: Sequence[Override] = (),
) -> Written:
    """Write `out`, by default a file with the name of `data` in the current folder.

    `given` are keys of `[dataset]` that need no guess. Raises `InputError` for what is no data set,
    and for a file that is there already.
    """
    name = name_of(data.with_suffix("") if data.is_file() else data)
    path = out or Path(f"{name}.toml")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already, and may hold changes of yours. Give another file with "
            "--out, or replace it with --overwrite."
        )
    if any("\ud800" <= letter <= "\udfff" for letter in str(data)):
        raise InputError(
            f"{printable(str(data))}: the name is not UTF-8, as a recipe is. Rename it."
        )
    looked, choices = _proposed(data, minutes, given)
    choices = _with(choices, given)
    head = [f"Written by `pipeline init {data}`:", *(f"  {line}" for line in looked.summary())]
    _publish(toml(name, choices, head=head), path)
    return Written(path=path, looked=looked, choices=choices)


def _proposed(
    data: Path, minutes: float, given: Sequence[Override]
) -> tuple[Looked, Sequence[Choice]]:
    if sounds.holds_sounds(data):
        return _of_sounds(data, minutes, given)
    if texts.holds_texts(data):
        return _of_texts(data, minutes, given)
    if arrays.holds_arrays(data):
        return _of_arrays(data, minutes, given)
    return _of_pictures(data, minutes, given)


def _of_sounds(
    folder: Path, minutes: float, given: Sequence[Override]
) -> tuple[Looked, Sequence[Choice]]:
    families = {"teacher": {"family": TEACHER}, "distill": {"family": STUDENT}}
    table = {"name": "sounds", "path": str(folder)}
    looked = sounds.look(_dataset({"dataset": table, **families}, given))
    found = FoundSounds(
        path=str(folder),
        classes=looked.classes,
        train=looked.splits["train"] + looked.unlabelled,
        rate=max(looked.rates, key=lambda rate: (looked.rates[rate], rate)),
        long=looked.long,
        pattern=looked.guess,
        recordings=looked.recordings,
        cores=len(available_cpus()),
    )
    return looked, propose_sounds(found, minutes=minutes)


def _of_pictures(
    folder: Path, minutes: float, given: Sequence[Override]
) -> tuple[Looked, Sequence[Choice]]:
    looked = look(_dataset({"dataset": {"name": "folder", "path": str(folder)}}, given))
    found = Found(
        path=str(folder),
        classes=looked.classes,
        train=looked.splits["train"] + looked.unlabelled,
        sides=looked.sides,
        cores=len(available_cpus()),
    )
    return looked, propose(found, minutes=minutes)


def _of_texts(
    path: Path, minutes: float, given: Sequence[Override]
) -> tuple[Looked, Sequence[Choice]]:
    encoding = texts.encoding_of(path)
    families = {"teacher": {"family": TEXT_TEACHER}, "distill": {"family": TEXT_STUDENT}}
    table = {"name": "texts", "path": str(path), "encoding": encoding}
    looked = texts.look(_dataset({"dataset": table, **families}, given))
    found = FoundTexts(
        path=str(path),
        columns={role: name for role, name in vars(looked.columns).items() if name is not None},
        encoding=encoding,
        train=looked.splits["train"],
        length=looked.length,
        cores=len(available_cpus()),
    )
    return looked, propose_texts(found, minutes=minutes)


def _of_arrays(
    path: Path, minutes: float, given: Sequence[Override]
) -> tuple[Looked, Sequence[Choice]]:
    families = {"teacher": {"family": ARRAY_TEACHER}, "distill": {"family": ARRAY_STUDENT}}
    table = {"name": "arrays", "path": str(path)}
    looked = arrays.look(_dataset({"dataset": table, **families}, given))
    found = FoundArrays(
        path=str(path),
        shape=looked.shape,
        classes=looked.classes,
        train=looked.splits["train"],
        cores=len(available_cpus()),
    )
    return looked, propose_arrays(found, minutes=minutes)


def _dataset(tree: Mapping[str, object], given: Sequence[Override]) -> DatasetConfig:
    """`[dataset]` of a recipe with the values of the command line."""
    for override in given:
        if not override.key.startswith("dataset."):
            raise InputError(
                f"{override.option}: only keys of dataset help to look at the data. Change others "
                "in the file that this command writes."
            )
    source = Source(place="pipeline init", tree={"name": "init", **tree})
    return source.with_values(given).recipe().dataset


def _with(choices: Sequence[Choice], given: Sequence[Override]) -> list[Choice]:
    """The choices, of which a given one replaces the proposed one."""
    own = {
        override.key: Choice(
            "dataset", override.key.removeprefix("dataset."), override.value, "given with --set"
        )
        for override in given
    }
    kept = [choice for choice in choices if f"{choice.table}.{choice.key}" not in own]
    return [*kept, *own.values()]


def _publish(text: str, path: Path) -> None:
    """A recipe that its own check refuses is never left behind."""
    with published(path, remedy="Give another file with --out.") as part:
        part.write_text(text, encoding="utf-8")
        load(str(part))
