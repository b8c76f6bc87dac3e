"""The recipe of one candidate: the user's own, with other values of its keys."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import JsonValue

from pipeline.models import STUDENTS
from pipeline.recipe.load import Override, Source, Tree
from pipeline.recipe.schema import Recipe
from pipeline.recipe.training import DistillConfig
from targets.formats.precisions import PRECISIONS

Values = Mapping[str, JsonValue]
"""Key of the recipe -> value."""
FAMILY = "distill.family"
LOSS = "distill.loss"
OF_A_LOSS = ("temperature", "alpha", "parameters")
FILES = {"convert.precisions", "convert.targets"}
OF_FILES = ("prove_on", "keep_float", "max_drop", "front_end_apart")
"""Keys of `[convert]` that need files which a candidate may not have."""


def with_values(source: Source, values: Values) -> Source:
    """Without the keys that belong to another family, another loss or other files than those of
    `values`."""
    table = dict(_table(source.tree, "distill"))
    if FAMILY in values and values[FAMILY] in STUDENTS:
        own = {*DistillConfig.model_fields, *STUDENTS[str(values[FAMILY])].Settings.model_fields}
        table = {key: value for key, value in table.items() if key in own}
    if LOSS in values and values[LOSS] != table.get("loss", "kd"):
        table = {key: value for key, value in table.items() if key not in OF_A_LOSS}
    tree = {**source.tree, "distill": table}
    if values.keys() & FILES:
        convert, gates = _table(tree, "convert"), _table(tree, "gates")
        tree["convert"] = {key: convert[key] for key in convert if key not in OF_FILES}
        tree["gates"] = {key: gates[key] for key in gates if key != "files"}
    given = [Override(key, value, f"search.space: {key}") for key, value in values.items()]
    return replace(source, tree=tree).with_values(given)


def candidate(source: Source, values: Values) -> Recipe:
    """Trained with the budget of the search, to one file."""
    found = with_values(source, values)
    return found.with_values([*_plain(found.recipe())]).recipe()


def _plain(recipe: Recipe) -> Iterator[Override]:
    """What every candidate has: one file, and nothing that a run adds to it afterwards."""
    convert, epochs = recipe.convert, recipe.search.epochs or recipe.distill.epochs
    plain: dict[str, JsonValue] = {
        "distill.epochs": epochs,
        "convert.targets": list(convert.targets[:1]),
        "convert.precisions": [judged(recipe)],
        "convert.prove_on": [],
        "convert.keep_float": [],
        "convert.max_drop": None,
        "convert.front_end_apart": False,
        "ablation.enabled": False,
        "streaming.enabled": False,
        "gates": {},
    }
    yield from (Override(key, value, key) for key, value in plain.items())


def judged(recipe: Recipe) -> str:
    """The precision of a candidate's file: the quantization-aware one, if it is made."""
    made = recipe.convert.precisions
    return next((name for name in made if PRECISIONS[name].quantization_aware), made[0])


def _table(tree: Tree, name: str) -> Mapping[str, object]:
    found = tree.get(name, {})
    return found if isinstance(found, dict) else {}
