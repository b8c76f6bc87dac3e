"""A runtime that this Python cannot hold gets an environment of its own, once, or a clear error."""

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

from targets.bench.agent.session import SessionModule
from targets.errors import DeviceError, InputError
from targets.runtimes import RUNTIMES, Runtime
from targets.runtimes.environment import python_for, unmet


def session(name: str) -> ModuleType:
    """The device's side of a runtime that is nothing but a distribution with a module."""
    made = ModuleType(name)
    made.DISTRIBUTION, made.MODULE, made.ENV = f"edge-distill-{name}", f"edge_distill_{name}", {}  # type: ignore[attr-defined]
    return made


NEEDY = Runtime(
    name="needy",
    session=cast("SessionModule", session("needy")),
    requirements=("edge-distill-needy>=2", "numpy<2"),
    formats=("tflite",),
)


def wheel(folder: Path, distribution: str, version: str, code: str = "") -> Path:
    """A wheel of one module, so that nothing here needs a network."""
    module = distribution.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    contents = {
        f"{module}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    contents[record] = "".join(f"{name},,\n" for name in (*contents, record))
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in contents.items():
            archive.writestr(name, text)
    return path


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """pip sees a folder of wheels and nothing else; the cache is empty."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("environment")
        (root / "wheels").mkdir()
        wheel(root / "wheels", "edge-distill-needy", "2.5")
        wheel(root / "wheels", "numpy", "1.26.4")
        wheel(root / "wheels", "edge-distill-broken", "1.0", "import not_there_at_all")
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(root / "wheels"))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield patch


@pytest.fixture(scope="module")
def made(offline: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """The environment of `NEEDY` and what was said when two threads asked for it at once."""
    said: list[str] = []
    seen: list[Path] = []

    def ask() -> None:
        seen.append(python_for(NEEDY, say=said.append))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[0] == seen[1]
    return seen[0], said


def environments() -> list[str]:
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "edge-distill" / "environments"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_runtime_that_is_installed_here_runs_here(offline: pytest.MonkeyPatch) -> None:
    for name in ("ai_edge_litert", "onnxruntime"):
        assert python_for(RUNTIMES[name], install=False) == Path(sys.executable)


def test_its_own_environment_holds_what_the_runtime_needs(made: tuple[Path, list[str]]) -> None:
    python, _ = made
    assert python != Path(sys.executable)
    told = "import edge_distill_needy, importlib.metadata as m; print(m.version('numpy'))"
    done = subprocess.run([python, "-I", "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1.26.4"


def test_two_that_ask_at_once_install_it_once_and_say_so(made: tuple[Path, list[str]]) -> None:
    _, said = made
    assert len([line for line in said if line.startswith("installing ")]) == 1
    assert "edge-distill-needy>=2 and numpy<2" in " ".join(said)
    assert len([line for line in said if "waiting" in line]) <= 1


def test_the_second_time_it_is_found_and_nothing_is_said(made: tuple[Path, list[str]]) -> None:
    said: list[str] = []
    assert python_for(NEEDY, install=False, say=said.append) == made[0]
    assert said == []


def test_other_requirements_are_another_environment(made: tuple[Path, list[str]]) -> None:
    other = replace(NEEDY, requirements=("edge-distill-needy>=2.1", "numpy<2"))
    with pytest.raises(InputError, match="installing was not allowed"):
        python_for(other, install=False)


def test_a_distribution_that_is_too_new_is_not_met(tmp_path: Path) -> None:
    """numpy 2 beside tflite-runtime: it would import and then fail at load."""
    for distribution, version in (("numpy", "2.1.3"), ("tflite-runtime", "2.14.0")):
        path = wheel(tmp_path, distribution, version)
        shutil.unpack_archive(path, tmp_path, "zip")
    needs = RUNTIMES["tflite_runtime"].requirements
    assert unmet(needs, path=[str(tmp_path)]) == ["numpy<2 is needed and 2.1.3 is installed"]


def test_what_only_pythonpath_has_does_not_count(
    made: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent runs under -I, and would not see it."""
    for distribution, version in (("numpy", "1.26.4"), ("edge-distill-needy", "2.5")):
        shutil.unpack_archive(wheel(tmp_path, distribution, version), tmp_path, "zip")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert python_for(NEEDY, install=False) == Path(sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert python_for(NEEDY, install=False) == made[0]


def test_where_installing_is_forbidden_the_commands_given_are_enough(
    offline: pytest.MonkeyPatch,
) -> None:
    wanted = replace(NEEDY, requirements=("edge-distill-needy>=2.5",))
    with pytest.raises(InputError) as caught:
        python_for(wanted, install=False)
    told = str(caught.value)
    assert "edge-distill-needy>=2.5 is not installed in this Python" in told
    command = told.partition("looked for: ")[2].removesuffix(".")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    assert python_for(wanted, install=False) != Path(sys.executable)


def test_without_a_network_the_last_line_is_told_and_nothing_is_left(
    made: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = environments()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")  # the discard port: refused
    monkeypatch.setenv("PIP_RETRIES", "1")
    absent = replace(NEEDY, requirements=("edge-distill-absent==9",))
    told = r"ERROR: No matching distribution.* did not answer\. It needs a network"
    with pytest.raises(InputError, match=told):
        python_for(absent)
    assert environments() == before


def test_what_cannot_be_imported_is_not_published(made: tuple[Path, list[str]]) -> None:
    before = environments()
    needs = ("edge-distill-broken==1.0", "numpy<2")
    broken = replace(NEEDY, session=cast("SessionModule", session("broken")), requirements=needs)
    with pytest.raises(DeviceError, match="No module named 'not_there_at_all'"):
        python_for(broken)
    assert environments() == before


def test_a_python_that_only_seems_to_be_there_is_passed_over(
    made: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version manager puts programs on PATH that end with an error."""
    older = replace(NEEDY, newest_python=(3, 10))
    program(tmp_path / "python3.10", "echo 'no such version' >&2; exit 127")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as caught:
        python_for(older)
    told = str(caught.value)
    assert f"{tmp_path}/python3.10 cannot make environments" in told
    assert "Install one of python3.10, python3.9 with its venv module" in told
    answer = f'[[3, 9], "{tmp_path}", "here"]'
    program(tmp_path / "python3.9", f"echo '{answer}'")
    with pytest.raises(InputError, match=rf"{tmp_path}/python3\.9 -I -m venv .*-py3\.9-"):
        python_for(older, install=False)
