"""The results folder, `<out>/<recipe>/`: published whole, or not at all."""

import json
import shutil
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from pipeline.engine.artifacts import PARTS, Artifact, Exports
from pipeline.engine.job import Step
from pipeline.engine.manifest import Manifest
from pipeline.engine.store import folder_beside, publish_folder
from pipeline.recipe.schema import Recipe
from pipeline.reporting.measurements import Measurements
from pipeline.reporting.schema.predictions import FOLDER as PREDICTIONS
from targets.errors import InputError

PROVENANCE = "provenance.json"
"""Written by every run; a folder without it was not made by one."""


@contextmanager
def workplace(results: Path, *, store: Path) -> Iterator[Path]:
    """A folder beside `results`, so that one rename on one disk publishes; removed at the end."""
    require_place(results, store=store)
    with folder_beside(results.absolute()) as work:
        yield work


def require_place(results: Path, *, store: Path) -> None:
    """Raises `InputError` where `results` holds anything else than the results of a run."""
    results, store = results.absolute(), store.absolute()
    if store == results or results in store.parents or store in results.parents:
        raise InputError(
            f"--out: the results folder {results} and the store {store} are inside one another. "
            "Choose another --out or --store."
        )
    _require_replaceable(results)


def _require_replaceable(results: Path) -> None:
    if results.exists() and not _replaceable(results):
        raise InputError(
            f"--out: {results} exists and holds no results of an earlier run; it would be "
            "replaced. Choose another --out, or another name in the recipe."
        )


def _replaceable(results: Path) -> bool:
    return results.is_dir() and ((results / PROVENANCE).is_file() or not any(results.iterdir()))


def deliver(
    artifacts: Mapping[str, Artifact],
    steps: Sequence[Step],
    recipe: Recipe,
    new: Path,
    results: Path,
) -> None:
    """Assemble the folder `new`, and put it in the place of `results` by one rename."""
    exports, measured = artifacts["convert"], artifacts["bench"]
    assert isinstance(exports, Exports)
    assert isinstance(measured, Measurements)
    shutil.copytree(artifacts["report"].folder, new)
    manifests = {step.name: step.manifest for step in steps if step.manifest is not None}
    files = {exports.folder / name for name in manifests["convert"].files}
    shutil.copytree(exports.folder / "models", new / "models", ignore=_others(files))
    if exports.parts:
        shutil.copytree(exports.folder / PARTS, new / PARTS, ignore=_others(files))
    for folder in ("bench", PREDICTIONS):
        if (measured.folder / folder).exists():
            shutil.copytree(measured.folder / folder, new / folder)
    labels = "\n".join(exports.dataset.classes)
    (new / "labels.txt").write_text(f"{labels}\n", encoding="utf-8")
    provenance = json.dumps(_provenance(manifests, recipe), indent=1)
    (new / PROVENANCE).write_text(f"{provenance}\n", encoding="utf-8")
    _require_replaceable(results)  # a search can have taken it meanwhile
    publish_folder(new, results)


def _others(files: Container[Path]) -> Callable[[str, list[str]], set[str]]:
    """For `copytree`: all but these files; somebody may have put others into the store."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        paths = (Path(folder, name) for name in names)
        return {path.name for path in paths if path not in files and not path.is_dir()}

    return ignored


def _provenance(manifests: Mapping[str, Manifest], recipe: Recipe) -> dict[str, JsonValue]:
    """The manifest of each stored stage: what its result was made from."""
    return {
        "schema": "provenance/1",
        "command": [*sys.argv],
        "recipe": recipe.model_dump(mode="json", by_alias=True),
        "stages": {name: manifest.model_dump(mode="json") for name, manifest in manifests.items()},
    }
