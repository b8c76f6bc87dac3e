"""What decides a stage's result, as a document whose hash names the stored folder.

The document is kept beside the result, so that a plan can say why a stage is made again:
"distill.temperature 4.0 -> 2.0", "code changed: pipeline/training/loop.py".
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from pipeline.datasets import DATASETS
from pipeline.engine.graph import Stage
from pipeline.models import STUDENTS, TEACHERS
from pipeline.recipe.schema import Recipe
from targets.errors import missing_package
from targets.registry import Registry

PACKAGES = ("pipeline", "targets")

# The recipe's values are in the document themselves, and these decide no bytes.
UNREAD = {
    "pipeline",
    "pipeline.datasets.forms",  # refuses, and changes nothing
    "pipeline.datasets.image_files",  # the same
    "pipeline.quantization.preflight",  # refuses, and changes nothing
    "pipeline.recipe.schema",
    "pipeline.recipe.section",
    "pipeline.engine.progress",
    "pipeline.stages",
    "pipeline.reporting.notes",  # speaks, and changes nothing
    "targets",
    "targets.devices.cpus",
    "targets.errors",
    "targets.registry",
}


class Document(TypedDict):
    """What decides one result, as it is stored."""

    stage: str
    recipe: dict[str, Any]
    inputs: dict[str, str]
    code: dict[str, str]
    libraries: dict[str, str]


def document(
    stage: Stage, recipe: Recipe, *, inputs: Mapping[str, str], dataset_sha256: str
) -> Document:
    """Everything that decides the result of `stage`; `inputs` are the digests of what it needs."""
    tree = recipe.model_dump(mode="json")
    own = _by_contents(tree.get(stage.name, {}))
    read = {name: tree[name] for name in stage.reads}
    if "dataset" in read:
        # Where the file lies decides nothing: its contents are in the digest.
        read["dataset"] = {k: v for k, v in read["dataset"].items() if k != "path"}
        read["dataset"]["sha256"] = dataset_sha256
    return {
        "stage": stage.name,
        "recipe": {stage.name: own, **read},
        "inputs": dict(inputs),
        "code": code(stage.module, unread=_unread(recipe)),
        "libraries": {
            **{name: _version(name, stage.name) for name in stage.libraries},
            **dict(_plugins(stage, recipe)),
        },
    }


def _by_contents(table: dict[str, Any]) -> dict[str, Any]:
    """A teacher's file counts by what is in it, wherever it lies; how to train is not looked at."""
    if table.get("file") is None:
        return {key: value for key, value in table.items() if key != "file"}
    from pipeline.teachers import file_sha256, kind_of

    path = Path(table["file"])
    told = {key: table[key] for key in ("scale", "offset", "output", "classes")}
    return {**told, "file": f"{kind_of(path)} {file_sha256(path)}"}


def _plugins(stage: Stage, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Name and version of the other distributions whose code a stage runs."""
    used: list[tuple[str, Registry[Any]]] = []
    if "dataset" in stage.reads:
        used.append((recipe.dataset.name, DATASETS))
    if stage.name in ("teacher", "logits", "distill", "convert") and recipe.teacher.file is None:
        used.append((recipe.teacher.family, TEACHERS))
    if stage.name in ("distill", "quantize", "convert"):
        used.append((recipe.distill.family, STUDENTS))
    for name, registry in used:
        owner = registry.distribution(name)
        if owner is not None:
            yield owner


def digest(content: Document) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def difference(old: Document, new: Document) -> str:
    """Why `new` has another result than `old`, in a few words."""
    said = [
        f"{key} {_show(before)} → {_show(after)}"
        for key, before, after in _changes(old["recipe"], new["recipe"])
    ]
    for label, before, after in (
        ("version of", old["libraries"], new["libraries"]),
        ("code changed:", old["code"], new["code"]),
        ("another result of", old["inputs"], new["inputs"]),
    ):
        changed = [key for key, _, _ in _changes(before, after)]
        if changed:
            shown = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
            said.append(f"{label} {shown}")
    return "; ".join(said)


def _unread(recipe: Recipe) -> frozenset[str]:
    """Modules that decide nothing of this recipe: how files teach, where the teacher is trained."""
    from pipeline.teachers import TEACHER_FILES

    files = {*map(TEACHER_FILES.module, TEACHER_FILES), "pipeline.teachers.check"}
    return frozenset(UNREAD | (files if recipe.teacher.file is None else set()))


@cache
def code(module: str, *, unread: frozenset[str] = frozenset(UNREAD)) -> dict[str, str]:
    """Digest of every module of ours that `module` reaches, by file; not through `unread` ones.

    Comments and docstrings do not count: a word about the code must not retrain a teacher.
    """
    digests: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _source(name)
        if path is None or name in unread or _label(path) in digests:
            continue
        tree = _parsed(path)
        digests[_label(path)] = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
        pending.extend(_imports(tree))
    return dict(sorted(digests.items()))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The registries name their modules as text, so that they are imported when used.
            yield node.value


@cache
def _source(module: str) -> Path | None:
    package, *rest = module.split(".")
    if package not in PACKAGES or not all(part.isidentifier() for part in rest):  # or any text
        return None
    base = _root(package).joinpath(*rest)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _root(package: str) -> Path:
    spec = util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _label(path: Path) -> str:
    package = next(p for p in PACKAGES if path.is_relative_to(_root(p)))
    return f"{package}/{path.relative_to(_root(package)).as_posix()}"


@cache
def _parsed(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [s for s in node.body if not _is_text(s) and not _is_for_types(s)]
    return tree


def _is_for_types(statement: ast.stmt) -> bool:
    """`if TYPE_CHECKING:`, which never runs."""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Name)
        and statement.test.id == "TYPE_CHECKING"
    )


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _version(distribution: str, stage: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError as error:
        raise missing_package(distribution, needed_for=f"stage {stage}") from error


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changes(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}", before, after


def _show(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
