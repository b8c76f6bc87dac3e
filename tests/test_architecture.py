"""Rules of the import graph, the stages and the start-up."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pipeline.engine.graph import STAGES, Stage
from targets import errors

ROOT = Path(__file__).parent.parent
HEAVY = {"tensorflow", "tf_keras", "tensorflow_model_optimization", "onnx", "tf2onnx"}
SLOW = {*HEAVY, "sklearn", "scipy", "matplotlib", "onnxruntime"}

ANY_PER_1000_LINES = 4


def sources(*packages: str) -> dict[str, ast.Module]:
    """Path from the root -> syntax tree of every module of the packages."""
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in paths}


def imports(*nodes: ast.AST) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(tree: ast.Module) -> set[str]:
    return {name.split(".")[0] for name in imports(*ast.walk(tree))}


def test_targets_never_imports_pipeline() -> None:
    assert [path for path, tree in sources("targets").items() if "pipeline" in packages(tree)] == []


def test_the_agent_imports_nothing_of_ours() -> None:
    agent = {path: tree for path, tree in sources("targets/bench").items() if "/agent" in path}
    own = "targets.bench.agent"
    third_party = {"numpy", "ai_edge_litert", "onnxruntime", "tflite_runtime"}
    assert agent
    for path, tree in agent.items():
        outside = {name for name in imports(*ast.walk(tree)) if not name.startswith(own)}
        left = {name.split(".")[0] for name in outside} - {*sys.stdlib_module_names, *third_party}
        assert left == set(), path


def test_no_import_leads_back_to_where_it_started() -> None:
    """At module level, and under TYPE_CHECKING: also types point one way."""
    trees = {module_name(path): tree for path, tree in sources("pipeline", "targets").items()}
    graph = {
        module: {name for name in imports(*at_module_level(tree)) if name in trees} - {module}
        for module, tree in trees.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports form a cycle: {' <- '.join(error.args[1])}")


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def at_module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from at_module_level(node)


REGISTRIES = {
    "formats": "targets/formats/__init__.py",
    "devices": "targets/devices/__init__.py",
    "teachers": "pipeline/teachers/__init__.py",
    "models": "pipeline/models/__init__.py",
    "losses": "pipeline/losses/__init__.py",
    "datasets": "pipeline/datasets/__init__.py",
}
FOR_PEOPLE = ("pipeline/cli/", "pipeline/recipe/", "pipeline/reporting/", "targets/untyped.py")
RUNTIMES = ("targets/runtimes/", "targets/bench/agent")

# What a receiver of a bundle runs without us names its runtimes itself.
RECEIVED = ("targets/bundle/predict", "targets/bundle/snippets.py")
TFLITE = ("targets/formats/tflite/", "pipeline/teachers/tflite_file.py", *RUNTIMES, *RECEIVED)
ONNX = ("targets/formats/onnx/", "pipeline/teachers/onnx_file.py", *RUNTIMES, *RECEIVED)

PLUG_IN_WORDS: dict[str, tuple[str, ...]] = {
    "adb": ("targets/devices/adb/", REGISTRIES["devices"]),
    "android": ("targets/devices/adb/", REGISTRIES["devices"]),
    "ssh": ("targets/devices/ssh/", REGISTRIES["devices"]),
    # An int8 ONNX file is made from the TFLite file.
    "tflite": (*TFLITE, "targets/formats/onnx/", REGISTRIES["formats"], REGISTRIES["teachers"]),
    "litert": (*TFLITE, "targets/formats/onnx/"),
    "onnx": (*ONNX, REGISTRIES["formats"], REGISTRIES["teachers"]),
    "onnxruntime": ONNX,
    "mobilenet": ("pipeline/models/mobilenet_", REGISTRIES["models"]),
    # Batch norm of Keras has an attribute of this name.
    "fused": ("pipeline/models/fused.py", REGISTRIES["models"], "pipeline/training/freezing.py"),
    # A wide residual network has the settings of a residual network.
    "resnet": ("pipeline/models/resnet", "pipeline/models/wrn.py", REGISTRIES["models"]),
    "efficientnet": ("pipeline/models/efficientnet_", REGISTRIES["models"]),
    "wrn": ("pipeline/models/wrn.py", REGISTRIES["models"]),
    "fitnet": ("pipeline/losses/features/", REGISTRIES["losses"]),
    "rkd": ("pipeline/losses/features/", REGISTRIES["losses"]),
    "dkd": ("pipeline/losses/dkd.py", REGISTRIES["losses"]),
    "fashion": ("pipeline/datasets/fashion_mnist.py", REGISTRIES["datasets"]),
    "npz": ("pipeline/datasets/np", REGISTRIES["datasets"], REGISTRIES["teachers"]),
}
"""Word -> where it may stand, beside what is `FOR_PEOPLE`: its plug-in, and the registry's line."""


def test_the_words_of_a_plug_in_stand_in_its_folder_alone() -> None:
    found = {
        (path, word)
        for path, tree in sources("pipeline", "targets").items()
        for word in {part for text in texts(tree) for part in words(text)} & PLUG_IN_WORDS.keys()
        if not path.startswith((*FOR_PEOPLE, *PLUG_IN_WORDS[word]))
    }
    assert found == set()


def texts(tree: ast.Module) -> Iterator[str]:
    """Identifiers, import paths, and strings without a space; not docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    yield from imports(*ast.walk(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text):
                yield text
            case ast.arg(arg=text) | ast.keyword(arg=str(text)):
                yield text
            case ast.FunctionDef(name=text) | ast.ClassDef(name=text):
                yield text
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                if not re.search(r"\s", text):
                    yield text


def words(text: str) -> Iterator[str]:
    """The words of an identifier or a file name; `.npz` and `.npy` are numpy's, not a plug-in's."""
    without_suffix = re.sub(r"\.np[yz]\b", "", text)
    return (w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", without_suffix))


def test_hardly_anything_is_untyped() -> None:
    files = [path for package in ("pipeline", "targets") for path in (ROOT / package).rglob("*.py")]
    texts = [path.read_text() for path in files]
    lines = sum(text.count("\n") for text in texts)
    uses = sum(len(re.findall(r"\bAny\b", text)) for text in texts)
    assert 1000 * uses / lines <= ANY_PER_1000_LINES, f"{uses} in {lines} lines"


def test_only_formats_know_tensorflow_or_onnx_in_targets() -> None:
    for path, tree in sources("targets").items():
        if not path.startswith("targets/formats/"):
            assert not packages(tree) & HEAVY, path


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_takes_what_its_line_in_the_graph_says(stage: Stage) -> None:
    parameters = inspect.signature(stage.run).parameters.values()
    given = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert given == ["cfg", "out"]
    assert keywords == ["job", *stage.needs]
    assert inspect.signature(stage.run).return_annotation is stage.makes


def test_stages_stand_behind_what_they_need() -> None:
    names = [stage.name for stage in STAGES]
    for stage in STAGES:
        assert set(stage.needs) <= set(names[: names.index(stage.name)])


def test_every_kind_of_failure_has_its_exit_code() -> None:
    codes = {
        kind.__name__: kind.exit_code
        for kind in (errors.ProofError, errors.InputError, errors.DeviceError)
    }
    assert codes == {"ProofError": 1, "InputError": 2, "DeviceError": 3}


def modules_after(*argv: str, cwd: Path) -> set[str]:
    """Top-level modules that the command has imported when it ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\nMODULES', *{m.split('.')[0] for m in sys.modules}))\n"
        f"sys.argv = ['pipeline', *{argv!r}]\n"
        "from pipeline.cli.app import entry\n"
        "entry()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("argv", [("--help",), ("run", "--help")])
def test_help_imports_next_to_nothing(argv: tuple[str, ...], tmp_path: Path) -> None:
    assert not modules_after(*argv, cwd=tmp_path) & {*SLOW, "numpy", "pydantic", "rich"}


@pytest.mark.parametrize("argv", [("plan",), ("recipes",)])
def test_what_does_not_train_imports_no_framework(argv: tuple[str, ...], tmp_path: Path) -> None:
    assert not modules_after(*argv, cwd=tmp_path) & SLOW


def test_a_reused_run_imports_no_framework(finished: object, tmp_path: Path) -> None:
    from tests.conftest import Lane

    assert isinstance(finished, Lane)
    imported = modules_after(
        "run", str(finished.recipe_file), "--data", str(finished.data_file),
        "--target", "tflite", "--target", "onnx", "--set", "bench.enabled=false",
        "--store", str(finished.out / ".store"), "--out", str(tmp_path / "out"),
        cwd=tmp_path,
    )  # fmt: skip
    assert not imported & SLOW
    assert (tmp_path / "out" / "tiny" / "report.json").exists()


def test_nothing_names_a_package_address_or_a_path_of_this_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".txt", ".md", ".yml", ".j2", ".json"}:
            text = path.read_text(encoding="utf-8")
            for forbidden in ("index" + "-url", "pypi" + ".org", "/" + "work/", "/" + "root/"):
                assert forbidden not in text, (name, forbidden)
