"""A recipe from its TOML file and the command line, or one error that says what is wrong where."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.recipe.schema import Recipe
from targets.errors import InputError, unknown


class Override(NamedTuple):
    """A value from the command line; `option` is how the user wrote it, for the error."""

    key: str
    value: object
    option: str


def load(recipe: str, overrides: Sequence[Override] = ()) -> Recipe:
    """The checked recipe `recipe` (a built-in name or a TOML file) with `overrides` on top."""
    place, text = _read(recipe)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{place}: not valid TOML: {error}.") from error
    for override in overrides:
        _check_key(override.key)
        _assign(tree, override.key.split("."), override.value, place)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise InputError(_explain(error, place, overrides)) from error


def built_in() -> dict[str, str]:
    """Name and TOML text of every recipe that is shipped."""
    folder = resources.files("pipeline.recipe") / "builtin"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=str)
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in files}


def parse_override(text: str) -> Override:
    """`distill.temperature=2` as a key and a TOML value; what is no TOML value is a string."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise InputError(f"--set {text}: expected KEY=VALUE, for example distill.temperature=2.")
    try:
        tree = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        tree = {}
    parsed = tree["value"] if tree.keys() == {"value"} else value
    return Override(key, parsed, f"--set {key}")


def _read(recipe: str) -> tuple[str, str]:
    known = built_in()
    if recipe in known:
        return f"{recipe}.toml", known[recipe]
    path = Path(recipe)
    if path.suffix == ".toml" or path.is_file():
        try:
            return str(path), path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"recipe file {path}: cannot be read: {error}.") from error
    raise InputError(f"{unknown('recipe', recipe, known)} Or give a .toml file.")


def _check_key(key: str) -> None:
    """Refuse a dotted key that the schema does not have, naming the nearest one."""
    fields = Recipe.model_fields
    parts = key.split(".")
    for depth, part in enumerate(parts):
        known = {info.alias or name: info for name, info in fields.items()}
        if part not in known:
            raise InputError(f"--set {key}: {_unknown_key(part, known, parts[:depth])}")
        inner = known[part].annotation
        if get_origin(inner) is dict:
            return  # its keys are not the schema's
        is_table = isinstance(inner, type) and issubclass(inner, BaseModel)
        fields = inner.model_fields if is_table else {}  # type: ignore[union-attr]
        if is_table and depth == len(parts) - 1:
            raise InputError(f"--set {key}: a table; set one of its keys: {', '.join(fields)}.")
        if not is_table and depth < len(parts) - 1:
            raise InputError(f"--set {key}: '{part}' is a value and has no keys.")


def _unknown_key(part: str, known: Iterable[str], parents: list[str]) -> str:
    names = list(known)
    close = get_close_matches(part, names, n=1, cutoff=0.5)
    nearest = f"; did you mean {'.'.join([*parents, close[0]])}?" if close else "."
    return f"unknown key{nearest} Known: {', '.join(names)}."


def _assign(tree: dict[str, Any], keys: list[str], value: object, place: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise InputError(f"{place}: {key}: must be a table.")
    tree[keys[-1]] = value


def _explain(error: ValidationError, place: str, overrides: Sequence[Override]) -> str:
    # Where an item of a list is wrong, pydantic counts the list without it.
    counted = [e for e in error.errors() if e["type"] != "too_short" or not _is_long_enough(e)]
    return " ".join(_explain_one(item, place, overrides) for item in counted)


def _is_long_enough(item: Any) -> bool:
    return len(item["input"]) >= int(item["ctx"]["min_length"])


def _explain_one(item: Any, place: str, overrides: Sequence[Override]) -> str:
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    where = _place(key, place, overrides)
    if item["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(path[-1], _keys_at(path[:-1]), path[:-1])}"
    message = str(item.get("ctx", {}).get("error", item["msg"])).rstrip(".")
    message = message.replace("valid tuple", f"list{_example(path)}")
    if item["type"] == "too_short":
        message = f"give at least {item['ctx']['min_length']}{_example(path)}"
    if item["type"] in ("missing", "value_error"):
        return f"{where}: {message}."
    return f"{where}: {message}, not {item['input']!r}."


def _example(path: list[str]) -> str:
    """The default of a key, where that is a list."""
    if len(path) != 2:
        return ""
    default = getattr(Recipe.model_fields[path[0]].default, path[1], None)
    return f", such as {json.dumps(default)}" if isinstance(default, tuple) else ""


def _place(key: str, file: str, overrides: Sequence[Override]) -> str:
    for override in overrides:
        if key == override.key or key.startswith(f"{override.key}."):
            return override.option
    return f"{file}: {key}" if key else file


def _keys_at(path: list[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in path:
        inner = model.model_fields[part].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return [info.alias or name for name, info in model.model_fields.items()]
