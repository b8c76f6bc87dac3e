"""The key of a stage's result, whose hash names the stored folder, and how two keys differ.

The key is kept beside the result, so that a plan can explain why a stage is made again:
"distill.temperature 4.0 → 2.0", "code changed: pipeline/training/loop.py".
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import JsonValue

from pipeline.engine import code, uses
from pipeline.engine.graph import Stage
from pipeline.engine.manifest import StageKey
from pipeline.models.pretrained.initial import weights_file
from pipeline.recipe.schema import Recipe
from pipeline.recipe.streaming import PATHS, StreamingConfig
from pipeline.recipe.training import DistillConfig, TeacherConfig
from pipeline.teachers import kind_of
from targets.errors import missing_package
from targets.files.digest import file_sha256

Table = Mapping[str, JsonValue]
SHOWN = 6
"""Keys of the recipe in a reason."""


def stage_key(
    stage: Stage, recipe: Recipe, *, inputs: Mapping[str, str], dataset_sha256: str
) -> StageKey:
    """Everything that decides the result of `stage`; `inputs` are the digests of what it needs."""
    behind = code.behind(stage.module, *uses.modules(stage.uses, recipe))
    return {
        "stage": stage.name,
        "recipe": _values(stage, recipe, dataset_sha256),
        "inputs": dict(inputs),
        "code": {**behind.modules, _ARTIFACT.format(stage.makes.__name__): _fields(stage)},
        "libraries": {
            **{name: _version(name, stage.name) for name in behind.libraries},
            **dict(uses.distributions(stage.uses, recipe)),
        },
    }


def difference(old: StageKey, new: StageKey) -> str:
    """Why `new` has another result than `old`, in a few words; empty where it has the same."""
    changes = [*_changes(old["recipe"], new["recipe"])]
    reasons = [f"{key} {_show(before)} → {_show(after)}" for key, before, after in changes[:SHOWN]]
    if len(changes) > SHOWN:  # of another recipe in the same store
        reasons.append(f"{len(changes) - SHOWN} more keys of the recipe")
    for label, before, after in (
        ("version of", old["libraries"], new["libraries"]),
        ("code changed:", old["code"], new["code"]),
        ("another result of", old["inputs"], new["inputs"]),
    ):
        changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        if changed:
            shown = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
            reasons.append(f"{label} {shown}")
    return "; ".join(reasons)


_ARTIFACT = "pipeline/engine/artifacts.py: {}"


def _fields(stage: Stage) -> str:
    """Digest of the artifact's fields: one that was stored with others cannot be read."""
    fields = {name: str(field.annotation) for name, field in stage.makes.model_fields.items()}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def _values(stage: Stage, recipe: Recipe, dataset_sha256: str) -> dict[str, JsonValue]:
    tree: dict[str, JsonValue] = recipe.model_dump(mode="json")
    values = {stage.name: tree[stage.name], **{name: tree[name] for name in stage.reads}}
    if stage.workers(recipe) > 1:  # one worker is no other training than before there were more
        values["workers"] = recipe.workers
    if isinstance(table := values.get("teacher"), dict):
        values["teacher"] = _teacher_by_contents(table)
    if "streaming" in values:
        values["streaming"] = _stream_by_contents(recipe.streaming)
    if isinstance(table := values.get(stage.name), dict) and table.get("weights"):
        values[stage.name] = {**table, "weights": _initial_weights(stage, recipe)}
    if isinstance(table := values.get("dataset"), dict):
        # The path decides nothing: the contents are in the digest.
        left_out = {"path", "size", *recipe.dataset.settings.DECIDES_NOTHING}
        kept = {key: value for key, value in table.items() if key not in left_out}
        values["dataset"] = {**kept, "sha256": dataset_sha256}
    return _with_sizes(values, stage, recipe)


def _with_sizes(values: dict[str, JsonValue], stage: Stage, recipe: Recipe) -> dict[str, JsonValue]:
    """The sizes of the images that the stage reads: the teacher's where it takes the default too,
    so that students of other sizes share their teacher."""
    sizes = {"student": ("dataset", recipe.dataset), "teacher": ("teacher", recipe.teacher_data)}
    for network in stage.images:
        name, source = sizes[network]
        table = values.get(name, {})
        assert isinstance(table, dict)
        values[name] = {**table, "size": source.size}
    return values


def _teacher_by_contents(table: Table) -> dict[str, JsonValue]:
    """A teacher's file counts by its contents; the values for training one then decide nothing."""
    if table["file"] is None:
        return {key: value for key, value in table.items() if key != "file"}
    path = Path(str(table["file"]))
    read = {key: table[key] for key in ("scale", "offset", "output", "classes")}
    return {**read, "file": f"{kind_of(path)} {file_sha256(path)}"}


def _stream_by_contents(cfg: StreamingConfig) -> dict[str, JsonValue]:
    """Recordings count by their contents, and only those that thresholds are chosen on; a table
    that is switched off decides nothing."""
    if not cfg.enabled:
        return {"enabled": False}
    table: dict[str, JsonValue] = cfg.model_dump(mode="json", exclude={*PATHS})
    chosen_on = cfg.pairs[0] if cfg.pairs else ()
    return {**table, "chosen_on": [file_sha256(path) for path in chosen_on]}


def _initial_weights(stage: Stage, recipe: Recipe) -> str:
    """Initial weights count by their contents, or by what their publisher names these: the path
    decides nothing, and neither does whether they are downloaded yet."""
    cfg = stage.config(recipe)
    assert isinstance(cfg, TeacherConfig | DistillConfig)
    assert cfg.weights is not None
    file = weights_file(cfg.weights, cfg.PLUGINS[cfg.family], cfg.settings, name=cfg.family)
    if file.published is not None:
        return file.published
    status = file.path().stat()
    return _contents(file.path(), status.st_size, status.st_mtime_ns)


@cache
def _contents(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """The digest of a large file, which every key asks for; size and time show a change."""
    return file_sha256(path)


def _version(distribution: str, stage: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError as error:
        raise missing_package(distribution, needed_for=f"stage {stage}") from error


def _changes(
    old: Table, new: Table, prefix: str = ""
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changes(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}", before, after


def _show(value: JsonValue) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
