"""Which searches go on with each other's trials."""

import json
from pathlib import Path

import pytest

from pipeline.engine import code
from pipeline.recipe.load import Source, parse_override, read
from pipeline.search.journal import journal
from pipeline.search.space import space_of

SPACE = "search.space={distill={width_multiplier=[0.25, 0.5]}}"


def name(*more: str) -> str:
    source: Source = read("digits", [parse_override(text) for text in (SPACE, *more)])
    return journal(Path(), source, space_of(source)).name


def test_the_same_question_has_the_same_journal() -> None:
    assert name() == name()
    assert name() == name("search.trials=7"), "more trials go on with a search"
    assert name() == name("name=other", "gates.size_kb=5.0")


@pytest.mark.parametrize(
    "more", ["seed=1", "search.limits=['size <= 5 kB']", "distill.epochs=3", "bench.threads=2"]
)
def test_another_question_has_a_journal_of_its_own(more: str) -> None:
    assert name(more) != name()


def test_another_device_behind_the_same_name_begins_a_new_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for host in ("first", "second"):
        (tmp_path / "devices.toml").write_text(f'[pi4]\nurl = "ssh://pi@{host}"\n')
        names.append(name("bench.devices=['pi4']"))
    assert names[0] != names[1]


@pytest.mark.parametrize("other", ["platform.node", "targets.devices.local.probe._cpu_model"])
def test_this_machine_is_another_device_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices.toml").write_text('[pi4]\nurl = "ssh://pi@first"\n')
    remote = "bench.devices=['pi4']"
    here, there = name(), name(remote)
    monkeypatch.setattr(other, lambda: "another")
    assert name() != here
    assert name(remote) == there


def test_a_device_that_is_named_twice_is_one() -> None:
    assert name("bench.devices=['local', 'local']")


def test_other_code_begins_a_new_search(monkeypatch: pytest.MonkeyPatch) -> None:
    before, behind = name(), code.behind
    monkeypatch.setattr(
        code, "behind", lambda *roots: code.Code(modules={"a.py": "1"}, libraries=())
    )
    assert name() != before
    monkeypatch.setattr(code, "behind", behind)
    assert name() == before


def test_another_teachers_file_under_the_same_path_begins_a_new_search(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.onnx"
    names = []
    for text in ("one", "two"):
        teacher.write_text(text)
        names.append(name(f"teacher.file={json.dumps(str(teacher))}"))
    assert names[0] != names[1]
