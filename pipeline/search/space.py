"""The space of a search: its dimensions, checked before anything runs, and a candidate's values."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from pipeline.models import STUDENTS
from pipeline.recipe.load import Source
from pipeline.recipe.precisions import has as has_precision
from pipeline.recipe.schema import Recipe
from pipeline.recipe.search import Dimension
from pipeline.recipe.search_space import defaults, on_request
from pipeline.recipe.training import DistillConfig
from pipeline.reporting.schema.search import DimensionRow
from pipeline.search.variants import FAMILY, Values, candidate
from targets.errors import InputError, listed
from targets.formats.precisions import PRECISIONS

if TYPE_CHECKING:
    from optuna.trial import Trial

DISTILL, EPOCHS, FILES = "distill.", "distill.epochs", "convert.precisions"
NOT_SEARCHED = (
    *("name", "seed", "threads", "workers", "search", "gates", "ablation", "tracking", "about"),
    *("schema", "bench", "dataset.path", "dataset.name"),
    *("dataset.validation", "dataset.test", "dataset.split_seed"),
    *("convert.prove_on", "convert.keep_float", "convert.max_drop", "convert.front_end_apart"),
)
"""Keys and tables that decide nothing of a file, or what it is compared by."""
SEARCHED = ("bench.threads",)


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What a dimension offers one family."""

    name: str
    """Of the parameter in the study: its choices are the same in every trial."""
    dimension: Dimension


@dataclass(frozen=True, kw_only=True)
class Space:
    dimensions: Mapping[str, Dimension]
    """By key of the recipe: the family first, which decides what others offer."""
    family: str
    """Of the recipe, where the family is no dimension."""

    def suggest(self, trial: "Trial") -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {}
        for key in self.dimensions:
            found = self.offered(key, str(values.get(FAMILY, self.family)))
            if found is not None:
                values[key] = _suggested(trial, found)
        return values

    def offered(self, key: str, family: str) -> Offered | None:
        """None where a family has no such key, or none of the values."""
        whole = self.dimensions[key]
        if not _is_own(key) and key != FILES:
            return Offered(name=key, dimension=whole)
        kept = [value for value in _values(whole) if _has(family, key, value)]
        if not kept:
            return None
        if whole.choices is None or len(kept) == len(whole.choices):
            return Offered(name=key, dimension=whole)
        few = Dimension(choices=tuple(kept))
        return Offered(name=f"{key} of {family}", dimension=few)

    def families(self) -> list[str]:
        dimension = self.dimensions.get(FAMILY)
        return [self.family] if dimension is None else [*map(str, _values(dimension))]

    def formats(self, recipe: Recipe) -> list[str]:
        """Of the files that are measured."""
        dimension = self.dimensions.get("convert.targets")
        choices = [recipe.convert.targets[:1]] if dimension is None else [*_values(dimension)]
        return [
            str(one) for choice in choices if isinstance(choice, list | tuple) for one in choice
        ]

    def lines(self) -> Iterator[str]:
        """The dimensions for a person."""
        for key, one in self.dimensions.items():
            choices = None if one.choices is None else ", ".join(map(_text, one.choices))
            ends = f"{one.low:g} to {one.high:g}" if choices is None else ""
            yield f"{key}: {choices or ends}"

    def rows(self) -> tuple[DimensionRow, ...]:
        return tuple(
            DimensionRow(key=key, **one.model_dump(mode="json"))
            for key, one in self.dimensions.items()
        )


def space_of(source: Source) -> Space:
    """The space of a recipe. Raises `InputError` for a dimension that no candidate can have."""
    recipe = source.recipe()
    written = recipe.search.space
    known = on_request(recipe)
    for key, one in written.items():
        if one is None and key not in known:
            raise InputError(
                f"{source.place}: search.space.{key}: has no default; give a list of values, or "
                f"low and high. With a default: {listed(list(known))}."
            )
    chosen = {key: one or known[key] for key, one in written.items()} or dict(defaults(recipe))
    ordered = sorted(chosen.items(), key=lambda item: item[0] != FAMILY)
    found = Space(dimensions=dict(ordered), family=recipe.distill.family)
    for key in chosen:
        _require_searchable(key, recipe, source)
        _require_one_budget(key, recipe, source)
        _require_valid(key, found, source)
    return found


def _require_searchable(key: str, recipe: Recipe, source: Source) -> None:
    if key in Recipe.model_fields and key not in NOT_SEARCHED:
        raise InputError(
            f"{source.place}: search.space.{key}: is a whole table. Give the values of one of its "
            f"keys, as in {key}.KEY = [...]."
        )
    of_data = {f"dataset.{name}" for name in recipe.dataset.settings.DECIDES_NOTHING}
    if key not in SEARCHED and {key, key.split(".")[0]} & {*NOT_SEARCHED, *of_data}:
        raise InputError(
            f"{source.place}: search.space.{key}: cannot be searched: it decides nothing of the "
            "student's file, or what files are compared by. Leave it out."
        )


def _require_one_budget(key: str, recipe: Recipe, source: Source) -> None:
    if key == EPOCHS and recipe.search.epochs is not None:
        raise InputError(
            f"{source.place}: search.space.{key}: has no effect, because search.epochs sets the "
            "epochs of every student. Leave one of them out."
        )


def _require_valid(key: str, space: Space, source: Source) -> None:
    """Every value must give a recipe: a wrong one would fail a trial hours later."""
    families = space.families()
    for family in families:
        STUDENTS[family]  # raises for an unknown one
    fitting = [one for one in families if space.offered(key, one) is not None]
    if not fitting:
        known = {name for one in families for name in STUDENTS[one].Settings.model_fields}
        raise InputError(
            f"{source.place}: search.space.{key}: no family of this search has this key with one "
            f"of these values. Keys of its families: {listed(sorted(known))}; keys of every "
            f"student: {listed(sorted(DistillConfig.model_fields.keys() - {'settings'}))}."
        )
    for family in fitting:
        first = _offered(space, FILES, family)[:1]
        given = dict(zip([FILES], first, strict=False))
        for value in [family] if key == FAMILY else _offered(space, key, family):
            candidate(source, {FAMILY: family, **given, key: value})


def _offered(space: Space, key: str, family: str) -> list[JsonValue]:
    found = space.offered(key, family) if key in space.dimensions else None
    return [] if found is None else list(_values(found.dimension))


def _is_own(key: str) -> bool:
    """Whether it is a key of a family, and not of every student."""
    return key.startswith(DISTILL) and key.removeprefix(DISTILL) not in DistillConfig.model_fields


def _has(family: str, key: str, value: JsonValue) -> bool:
    if key == FILES:
        names = value if isinstance(value, list | tuple) else ()
        return all(has_precision(family, str(name)) for name in names if name in PRECISIONS)
    settings, name = STUDENTS[family].Settings, key.removeprefix(DISTILL)
    if name not in settings.model_fields:
        return False
    try:
        settings.model_validate({name: value})
    except ValidationError:
        return False
    return True


def _values(dimension: Dimension) -> Iterator[JsonValue]:
    """All choices, or both ends and a value between them, as a trial gets them."""
    if dimension.choices is not None:
        yield from dimension.choices
        return
    assert dimension.low is not None
    assert dimension.high is not None
    low, high, step = dimension.low, dimension.high, dimension.step
    between = low + step if step else (low + high) / 2
    for value in (low, between, high):
        yield int(value) if dimension.is_whole else float(value)


def _suggested(trial: "Trial", offered: Offered) -> JsonValue:
    one, name = offered.dimension, offered.name
    if one.choices is not None:
        # As text: Optuna's choices are plain values, and lists are none.
        found = trial.suggest_categorical(name, [json.dumps(value) for value in one.choices])
        value: JsonValue = json.loads(found)
        return value
    assert one.low is not None
    assert one.high is not None
    if one.is_whole:
        return trial.suggest_int(
            name, int(one.low), int(one.high), step=int(one.step or 1), log=one.log
        )
    return trial.suggest_float(name, one.low, one.high, step=one.step, log=one.log)


def described(values: Values) -> str:
    """The values for a person: `family fused, width_multiplier 0.5`."""
    short = [key.rpartition(".")[2] for key in values]
    names = {
        key: name if short.count(name) == 1 else key
        for key, name in zip(values, short, strict=True)
    }
    return ", ".join(f"{names[key]} {_text(value)}" for key, value in values.items())


def _text(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value)) if len(value) == 1 else json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def of_the_teacher(recipe: Recipe, keys: Iterable[str]) -> list[str]:
    """The dimensions with which the teacher changes too: it is trained again for each value."""
    tables = ("dataset.", "teacher.", "augmentation.", "logits.")
    own_size = recipe.teacher.size is not None
    return [
        key for key in keys if key.startswith(tables) and not (own_size and key == "dataset.size")
    ]
