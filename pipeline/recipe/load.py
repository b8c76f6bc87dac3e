"""Reads a recipe from its TOML file and the command line; errors name the place and the remedy."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pipeline.recipe.kinds import for_other_kinds, with_kind
from pipeline.recipe.schema import Recipe
from pipeline.recipe.section import PluginSection
from targets.errors import InputError, did_you_mean, unknown
from targets.files.toml_text import parsed

Tree = dict[str, object]
"""Contents of a recipe file: tables and values by key."""

RENAMED_TABLES = {"views": "augmentation"}
"""Old name -> new name; a recipe may use either."""

MOST_MISTAKES = 5
KNOWN = " Known: "
LONGEST_VALUE = 100
"""Characters of a wrong value or key in an error."""


class Override(NamedTuple):
    """A value from the command line; `option` is how the user wrote it, for the error."""

    key: str
    value: object
    option: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A recipe as it is written: what `Recipe` checks, and adds its defaults to."""

    place: str
    """The file, for errors."""
    tree: Tree
    overrides: tuple[Override, ...] = ()
    """Values of the command line; they are in the tree already."""

    def with_values(self, overrides: Sequence[Override]) -> "Source":
        overrides = [_renamed(override) for override in overrides]
        tree = self.tree
        for override in overrides:
            tree = _assigned(tree, override, override.key.split("."))
        return replace(self, tree=tree, overrides=(*self.overrides, *overrides))

    def recipe(self) -> Recipe:
        try:
            return Recipe.model_validate(self.tree)
        except ValidationError as error:
            tree = with_kind(self.tree)  # the kind decides which keys an error lists
            raise InputError(_explain(error, tree, self.place, self.overrides)) from error


def load(recipe: str, overrides: Sequence[Override] = ()) -> Recipe:
    """The checked recipe `recipe` (a built-in name or a TOML file) with `overrides` on top."""
    return read(recipe, overrides).recipe()


def read(recipe: str, overrides: Sequence[Override] = ()) -> Source:
    place, text = _read(recipe)
    try:
        tree = parsed(text)
    except ValueError as error:
        raise InputError(f"{place}: not valid TOML: {error}.") from error
    _rename_tables(tree, place)
    return Source(place=place, tree=tree).with_values(overrides)


def built_in() -> dict[str, str]:
    """Name and TOML text of every recipe that is shipped."""
    folder = resources.files("pipeline.recipe") / "builtin"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=str)
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in files}


def parse_override(text: str) -> Override:
    """`distill.temperature=2` as a key and a TOML value; any other text is a string."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise InputError(f"--set {text}: expected KEY=VALUE, for example distill.temperature=2.")
    try:
        tree = parsed(f"value = {value}")
    except ValueError:
        tree = {}
    found = tree["value"] if tree.keys() == {"value"} else value
    return Override(key, found, f"--set {key}")


def _read(recipe: str) -> tuple[str, str]:
    known = built_in()
    if recipe in known:
        return f"{recipe}.toml", known[recipe]
    path = Path(recipe)
    if path.suffix == ".toml" or path.is_file():
        try:
            return str(path), path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InputError(f"recipe file {path}: cannot be read: {error}.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"recipe file {path}: not UTF-8 text. Save it as UTF-8.") from error
    if path.is_dir():
        raise InputError(
            f"{path} is a folder, and a run takes a recipe. Write one for a folder of pictures: "
            f"`pipeline init {path}`."
        )
    raise InputError(f"{unknown('recipe', recipe, known)} Or give a .toml file.")


def _rename_tables(tree: Tree, place: str) -> None:
    """Accept the old names of tables, with a line on stderr that gives the new one."""
    for old, new in RENAMED_TABLES.items():
        if old in tree:
            if new in tree:
                raise InputError(f"{place}: {old} is the old name of {new}; keep only [{new}].")
            tree[new] = tree.pop(old)
            _say_renamed(f"{place}: [{old}]", f"[{new}]")


def _renamed(override: Override) -> Override:
    table, dot, rest = override.key.partition(".")
    if table not in RENAMED_TABLES:
        return override
    key = f"{RENAMED_TABLES[table]}{dot}{rest}"
    _say_renamed(override.option, key)
    return override._replace(key=key)


def _say_renamed(old: str, new: str) -> None:
    print(f"{old} has a new name, {new}; the old one still works.", file=sys.stderr)


def _table(field: FieldInfo | None) -> type[BaseModel] | None:
    inner = None if field is None else field.annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _fields(model: type[BaseModel], table: object = None) -> dict[str, FieldInfo]:
    """The fields of a table by key; with those of the plug-in that the contents `table` name."""
    written = {name: info for name, info in model.model_fields.items() if not info.exclude}
    fields = {info.alias or name: info for name, info in written.items()}
    if issubclass(model, PluginSection):
        del fields["settings"]
        settings = model.settings_in(table) if isinstance(table, dict) else None
        fields |= settings.model_fields if settings else {}
    return fields


def _keys(name: str, model: type[BaseModel], tree: Tree) -> Iterable[str]:
    """The keys of a table whose contents are no table."""
    return _fields(model, with_kind({**tree, name: {}})[name])


def _unknown_key(part: str, known: Iterable[str], parents: list[str], *, why: str = "") -> str:
    names, prefix = list(known), "".join(f"{parent}." for parent in parents)
    near = f": {why}." if why else did_you_mean(part, names, prefix=prefix)
    return f"unknown key{near}{KNOWN}{', '.join(names) or 'none'}."


def _assigned(tree: Tree, override: Override, path: Sequence[str]) -> Tree:
    """The tree with the value; only the tables on the way to it are copied."""
    key, *rest = path
    if not rest:
        return {**tree, key: override.value}
    inner = tree.get(key, {})
    if not isinstance(inner, dict):
        raise InputError(f"{override.option}: '{key}' is a value and has no keys.")
    return {**tree, key: _assigned(inner, override, rest)}


def _explain(error: ValidationError, tree: Tree, place: str, overrides: Sequence[Override]) -> str:
    # With a wrong item in a list, pydantic also counts the list without it.
    counted = [e for e in error.errors() if e["type"] != "too_short" or not _is_long_enough(e)]
    every = (_explain_one(item, tree, place, overrides) for item in counted[:MOST_MISTAKES])
    first = list(_each_list_once(every))
    more = len(counted) - MOST_MISTAKES
    return " ".join([*first, f"And {more:,} more."] if more > 0 else first)


def _each_list_once(texts: Iterable[str]) -> Iterator[str]:
    """The known keys of a table at the first wrong one, and not again."""
    shown = set()
    for text in texts:
        mistake, _, known = text.partition(KNOWN)
        yield mistake if known in shown else text
        shown |= {known} - {""}


def _is_long_enough(item: ErrorDetails) -> bool:
    return len(item["input"]) >= int(item["ctx"]["min_length"])


def _explain_one(item: ErrorDetails, tree: Tree, place: str, overrides: Sequence[Override]) -> str:
    path = [str(part) for part in item["loc"]]
    if path[1:2] == ["settings"]:  # where a `PluginSection` holds its plug-in's keys
        del path[1]
    where = _place(path, place, overrides, is_rule=item["type"] == "value_error")
    fields = _fields_at(path[:-1], tree)
    if item["type"] == "extra_forbidden":
        why = ""
        if path[:-1] == ["augmentation"]:
            why = for_other_kinds(path[-1], tree.get("dataset", {}))
        return f"{where}: {_unknown_key(path[-1], fields, path[:-1], why=why)}"
    if item["type"] == "model_type" and (table := _table(fields.get(path[-1]))):
        return f"{where}: a table; set one of its keys: {', '.join(_keys(path[-1], table, tree))}."
    example = _example(fields.get(path[-1])) if path else ""
    message = str(item.get("ctx", {}).get("error", item["msg"])).rstrip(".")
    message = message.replace("valid tuple", f"list{example}")
    if item["type"] == "string_pattern_mismatch":  # of `Slug`, the only one
        message = "use letters, digits, '.', '_' and '-', and begin with a letter or digit"
    if item["type"] == "too_short":
        message = f"give at least {item['ctx']['min_length']}{example}"
    if item["type"] in ("missing", "value_error"):
        return f"{where}: {message}."
    return f"{where}: {message}, not {_cut(repr(item['input']))}."


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _fields_at(path: list[str], tree: Tree) -> dict[str, FieldInfo]:
    """The fields of the recipe, or of the table that `path` leads to; none inside a list."""
    fields = _fields(Recipe)
    if not path:
        return fields
    table = _table(fields[path[0]]) if len(path) == 1 else None
    return _fields(table, tree.get(path[0])) if table else {}


def _example(field: FieldInfo | None) -> str:
    """The default of a key, where that is a list."""
    default = field.default if field else None
    return f", such as {json.dumps(default)}" if isinstance(default, tuple) else ""


def _place(path: list[str], file: str, overrides: Sequence[Override], *, is_rule: bool) -> str:
    """Where the user wrote the key; a rule about a whole table is about the file."""
    for override in overrides:
        parts = override.key.split(".")
        if path[: len(parts)] == parts or (parts[: len(path)] == path and not is_rule):
            return override.option
    return f"{file}: {_cut('.'.join(path))}" if path else file
