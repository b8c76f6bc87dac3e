"""The plug-ins that a recipe names, as part of what decides a stage's result, and the code that
only some recipes run."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from pipeline.datasets import DATASETS
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models import STUDENTS, TEACHERS
from pipeline.recipe.schema import Recipe
from pipeline.teachers import TEACHER_FILES, kind_of
from pipeline.training.augmentation import VIEWS
from targets.formats import FORMATS

DATASET = ("dataset.name",)
AUGMENTATION = ("augmentation.kind",)
TEACHER = ("teacher.family", "teacher.file")
STUDENT = ("distill.family",)
LOSS = ("distill.loss", "distill.features")
QAT_LOSS = ("quantize.loss",)
FORMAT = ("convert.targets",)
"""Keys of the recipe whose values are names of plug-ins."""


class Lookup(Protocol):
    """The part of every `Registry` that a key needs."""

    def module(self, name: str) -> str: ...

    def distribution(self, name: str) -> tuple[str, str] | None: ...


REGISTRIES: Mapping[str, Lookup] = {
    "dataset.name": DATASETS,
    "augmentation.kind": VIEWS,
    "teacher.family": TEACHERS,
    "teacher.file": TEACHER_FILES,
    "distill.family": STUDENTS,
    "distill.loss": LOSSES,
    "distill.features": FEATURE_LOSSES,
    "quantize.loss": LOSSES,
    "convert.targets": FORMATS,
}

ACCEPTS_A_TEACHER = "pipeline.teachers.check"
"""Decides whether a file may teach."""
CHOOSES_THRESHOLDS = "pipeline.streams.detecting"
"""Decides a part of the sidecars, of a recipe with `[streaming]`."""


def modules(keys: tuple[str, ...], recipe: Recipe) -> Iterator[str]:
    """The modules of the plug-ins that `recipe` names under `keys`, and of what it switches on."""
    for key in keys:
        yield from (REGISTRIES[key].module(name) for name in _names(key, recipe))
    if "teacher.file" in keys and recipe.teacher.file is not None:
        yield ACCEPTS_A_TEACHER
    if "convert.targets" in keys and recipe.streaming.enabled:
        yield CHOOSES_THRESHOLDS


def distributions(keys: tuple[str, ...], recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Name and version of the distributions that offer them; the built-in ones have none."""
    for key in keys:
        owners = (REGISTRIES[key].distribution(name) for name in _names(key, recipe))
        yield from (owner for owner in owners if owner is not None)


def _names(key: str, recipe: Recipe) -> tuple[str, ...]:
    """The names of the plug-ins of which the recipe uses code."""
    file = recipe.teacher.file
    if key == "teacher.file":
        return () if file is None else (kind_of(file),)
    if key == "teacher.family" and file is not None:
        return ()
    if key == "distill.features" and recipe.distill.features == "none":
        return ()
    if key == "convert.targets":
        return _with_earlier(recipe.convert.targets)
    table, field = key.split(".")
    return (str(getattr(getattr(recipe, table), field)),)


def _with_earlier(targets: tuple[str, ...]) -> tuple[str, ...]:
    """The formats and those before them in the registry, which a file may be made from."""
    known = list(FORMATS)
    ends = [known.index(name) + 1 if name in known else len(known) for name in targets]
    return tuple(dict.fromkeys((*known[: max(ends)], *targets)))
