"""The code behind a result: the modules that a stage imports, and the libraries that they import.

A key must change when code that decides a result changes, and only then. The modules are found by
following imports from the stage's module and from those of the plug-ins that the recipe names. The
walk stops at `OUTSIDE`, and never enters a registry's table, which names every plug-in there is.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path

PACKAGES = ("pipeline", "targets")

OUTSIDE = (
    # Runs stages and hands results on. The recipe's values are in the key themselves.
    *("pipeline.ci", "pipeline.cli", "pipeline.engine", "pipeline.recipe", "pipeline.reporting"),
    *("pipeline.cluster", "pipeline.search", "pipeline.tracking"),
    # Measures networks and files that are finished.
    *("pipeline.quantization.sensitivity", "targets.bench", "targets.devices", "targets.runtimes"),
    *("targets.errors", "targets.quiet", "targets.registry", "targets.untyped"),
    *("targets.files.file_lock", "targets.images.progress"),
    "targets.formats.metadata",  # of the files of a bundle
    "pipeline.streams.detecting",  # where a recipe has a stream, `uses` adds it
    # Refuses an input, and changes nothing.
    *("pipeline.datasets.forms", "pipeline.datasets.image_files", "pipeline.datasets.audit"),
    *("pipeline.quantization.preflight", "pipeline.training.preflight", "pipeline.teachers.check"),
)
"""Modules, and packages with all that is in them, that decide no byte of a stored result."""

INSIDE = (
    "targets.bench.agent.preparation",
    *("pipeline.datasets.audit.copies", "pipeline.datasets.audit.pictures"),
)
"""Modules of these packages that decide a byte: which values a teacher's file gets, and which
pictures come into the same split."""

LOOKUPS = ("pipeline.teachers",)
"""Packages whose `__init__` only finds a plug-in: which one that is, is in the key itself."""

HARMLESS = (
    *("platformdirs", "pooch", "pydantic", "pydantic_core", "typing_extensions"),
    *("scipy.optimize", "scipy.special", "scipy.stats"),
)
"""Libraries, or parts of them, that decide no byte; those of scipy compute the statistics that a
proof is held to."""

DISTRIBUTIONS = {"PIL": "pillow", "google": "protobuf", "sklearn": "scikit-learn"}
"""Import name -> distribution, where replacing `_` by `-` does not give it."""


@dataclass(frozen=True, kw_only=True)
class Code:
    modules: dict[str, str]
    """Source file, from the folder of its package -> digest."""
    libraries: tuple[str, ...]
    """Names of distributions."""


@cache
def behind(*roots: str) -> Code:
    """The modules `roots` and all that they import, except what is `OUTSIDE`."""
    modules: dict[str, str] = {}
    libraries: set[str] = set()
    reached = {*roots, *_inside(roots)}
    pending = list(reached)
    while pending:
        path = _source(pending.pop())
        if path is None:
            continue
        tree = _parsed(path)
        if tree.body:
            modules[_label(path)] = _digest(path)
        imported = tuple(_imports(tree))
        libraries.update(_distributions(imported))
        new = set(_inside(imported)) - reached
        reached |= new
        pending += new
    return Code(modules=dict(sorted(modules.items())), libraries=tuple(sorted(libraries)))


def _inside(imported: Iterable[str]) -> Iterator[str]:
    """What the names of imported modules lead to; an import runs the `__init__` of packages too."""
    for name in imported:
        parts = name.split(".")
        modules = (".".join(parts[:end]) for end in range(2, len(parts) + 1))
        yield from (module for module in modules if not is_outside(module))


def is_outside(module: str) -> bool:
    stops = any(module == stop or module.startswith(f"{stop}.") for stop in OUTSIDE)
    return (stops and module not in INSIDE) or module in LOOKUPS


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _distributions(imported: Iterable[str]) -> Iterator[str]:
    harmless = tuple(f"{name}." for name in HARMLESS)
    decisive = (name for name in imported if not f"{name}.".startswith(harmless))
    for package in {name.split(".")[0] for name in decisive}:
        if package not in {*PACKAGES, *sys.stdlib_module_names}:
            yield DISTRIBUTIONS.get(package, package.replace("_", "-"))


@cache
def _source(module: str) -> Path | None:
    package, *rest = module.split(".")
    if package not in PACKAGES:
        return None
    base = _root(package).joinpath(*rest)
    found = (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())
    return next(found, None)


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
def _digest(path: Path) -> str:
    return hashlib.sha256(ast.dump(_parsed(path)).encode()).hexdigest()[:16]


@cache
def _parsed(path: Path) -> ast.Module:
    """The syntax tree without what decides nothing: comments, docstrings, types, tables."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tables = set(_tables(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [statement for statement in node.body if _decides(statement, tables)]
    return tree


def _tables(tree: ast.Module) -> Iterator[str]:
    """Names of the functions that list a registry's plug-ins: `Registry(..., built_in=name)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "built_in":
            yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name))


def _decides(statement: ast.stmt, tables: set[str]) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return False
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return False
        case ast.FunctionDef(name=name):
            return name not in tables
    return True
