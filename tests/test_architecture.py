"""Rules of the import graph, the stages and the start-up."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.engine.graph import STAGES, Stage
from targets import errors

ROOT = Path(__file__).parent.parent
HEAVY = {"tensorflow", "tf_keras", "tensorflow_model_optimization", "onnx", "tf2onnx"}
SLOW = {*HEAVY, "sklearn", "scipy", "matplotlib", "onnxruntime"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def test_targets_never_imports_pipeline() -> None:
    for path in (ROOT / "targets").rglob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] == "pipeline"], path


def test_only_formats_know_tensorflow_or_onnx_in_targets() -> None:
    for path in (ROOT / "targets").rglob("*.py"):
        if "formats" not in path.parts:
            assert not {name.split(".")[0] for name in imports(path)} & HEAVY, path


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
    seen = modules_after(
        "run", str(finished.recipe_file), "--data", str(finished.data_file),
        "--target", "tflite", "--target", "onnx", "--set", "bench.enabled=false",
        "--store", str(finished.out / ".store"), "--out", str(tmp_path / "out"),
        cwd=tmp_path,
    )  # fmt: skip
    assert not seen & SLOW
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
