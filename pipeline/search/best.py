"""`best.toml`: the recipe that a search recommends, at the full budget of the user's own."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from pipeline.recipe.load import Override, Source, Tree, load
from pipeline.reporting.schema.search import SearchResult
from pipeline.search.space import described
from pipeline.search.variants import with_values
from targets.errors import printable
from targets.files.published import published

FILE = "best.toml"


def write(
    path: Path, source: Source, values: Mapping[str, JsonValue], result: SearchResult
) -> None:
    """A recipe that its own check refuses is never left behind."""
    import tomli_w

    kept = recipe_tree(source, values, name=name_for(result.recipe))
    head = "".join(f"# {printable(line)}\n" for line in _head(values, result))
    with published(path, remedy="Give another folder with --out.") as part:
        part.write_text(f"{head}\n{tomli_w.dumps(_written(kept))}", encoding="utf-8")
        load(str(part))


def name_for(recipe: str) -> str:
    """Of 80 characters at most, as a name may have: else it would be refused after the search."""
    return f"{recipe[:75]}-best"


def recipe_tree(source: Source, values: Mapping[str, JsonValue], *, name: str) -> Tree:
    tree = with_values(source, values).with_values([Override("name", name, "name")]).tree
    kept: Tree = {key: value for key, value in tree.items() if key not in ("search", "about")}
    return kept | _one_of_each_fleet(kept)


def _one_of_each_fleet(tree: Tree) -> Tree:
    bench = tree.get("bench")
    if not isinstance(bench, dict) or "devices" not in bench:
        return {}
    devices = [str(text).partition(",")[0].strip() for text in bench["devices"]]
    return {"bench": {**bench, "devices": devices}}


def _head(values: Mapping[str, JsonValue], result: SearchResult) -> list[str]:
    found = result.recommendation
    assert found is not None
    return [
        f"Written by `pipeline search {result.recipe}`: trial {found.trial}, "
        f"{described(values)}; {len(result.trials)} students were tried.",
        found.sentence,
    ]


def _written(value: object) -> dict[str, object]:
    """Without what TOML cannot hold: null. Paths are text."""
    assert isinstance(value, dict)
    return {
        key: _written(one) if isinstance(one, dict) else _plain(one)
        for key, one in value.items()
        if one is not None
    }


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
