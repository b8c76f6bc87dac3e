"""`pipeline search` as a person runs it, on the tiny recipe."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from pipeline.cli.app import exit_code
from pipeline.engine.references import records
from pipeline.recipe.load import load
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.search import SearchResult, read
from pipeline.search import bench
from pipeline.search.untrained import ModelFile, untrained
from targets.bench.plan import BenchPlan

TINY_PLAN = BenchPlan(processes=2, min_queries=66, min_duration_s=0.02, max_duration_s=5.0)
SPACE = """
[convert]
precisions = ["float32"]

[search]
trials = 4
epochs = 3
limits = ["size <= 60 kB"]

[search.space]
distill.width_multiplier = [0.25, 0.375, 2.0]
distill.family = ["mobilenet_v1", "fused"]
"""


@dataclass(frozen=True)
class Searched:
    folder: Path
    arguments: Sequence[str]
    code: int

    @property
    def result(self) -> SearchResult:
        return read(self.folder / "search.json")


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory, recipe_file: Path, data_file: Path
) -> Iterator[Searched]:
    out = tmp_path_factory.mktemp("search")
    recipe = out / "tiny.toml"
    recipe.write_text(recipe_file.read_text() + SPACE)
    arguments = ["search", str(recipe), "--data", str(data_file), "--out", str(out)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bench, "SHORT", TINY_PLAN)
        patched.setattr(bench, "FULL", TINY_PLAN)
        yield Searched(out / "tiny-search", arguments, exit_code(arguments))


def test_the_results_are_a_document_a_page_and_a_recipe(searched: Searched) -> None:
    assert searched.code == 0
    found = searched.result
    assert found.finished
    assert len(found.trials) == 4
    assert "Train trial" in (searched.folder / "search.html").read_text()
    best = load(str(searched.folder / "best.toml"))
    assert best.name == "tiny-best"
    assert best.distill.epochs == 8, "the recipe's own, not those of the search"
    assert best.search.space == {}


def test_what_is_too_large_was_never_trained(searched: Searched) -> None:
    over = [row for row in searched.result.trials if row.state == "over_limit"]
    assert over
    assert all(row.trained is None and "size" in row.reason for row in over)
    assert all(row.untrained and row.untrained.size_bytes > 60_000 for row in over)


def test_the_trained_file_is_as_large_as_it_was_untrained(searched: Searched) -> None:
    """Of float32 and quantization-aware files, within 5 %."""
    trained = [row for row in searched.result.trials if row.trained is not None]
    assert trained
    for row in trained:
        assert row.trained is not None
        assert row.untrained is not None
        assert row.trained.size_bytes == pytest.approx(row.untrained.size_bytes, rel=0.05)


def test_only_the_recommended_student_saw_the_test_split(searched: Searched) -> None:
    found = searched.result.recommendation
    assert found is not None
    assert 0 <= found.test_top1 <= 1
    (row,) = (row for row in searched.result.trials if row.number == found.trial)
    assert row.top1 == max(one.top1 for one in searched.result.trials if one.top1 is not None)
    assert found.figures.sha256 == (row.trained and row.trained.sha256)


def test_the_same_command_again_trains_nothing(
    searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    before = searched.result
    assert exit_code([*searched.arguments, "--json"]) == 0
    printed = capsys.readouterr()
    again = SearchResult.model_validate(json.loads(printed.out))
    assert again.trials == before.trials
    assert "epoch" not in printed.err
    assert "4 are done" in printed.err


def test_the_store_keeps_what_a_finished_search_names_and_no_other_student(
    searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = records(searched.folder.parent / ".store")
    assert record.results == searched.folder
    assert record.finished
    found = searched.result
    assert {name.split("-")[0] for name in record.stored} == {
        *("teacher", "logits", "distill", "convert"),
    }
    assert sum(name.startswith("convert-") for name in record.stored) == len(found.named)
    assert exit_code(["store", "gc", "--out", str(searched.folder.parent), "--json"]) == 0
    gone = {Path(one["path"]).name for one in json.loads(capsys.readouterr().out)["entries"]}
    trained = sum(row.state == "trained" for row in found.trials)
    assert sum(name.startswith("convert-") for name in gone) == trained - len(found.named)
    assert not gone & record.stored


def test_an_interrupted_search_has_a_page_and_goes_on(
    searched: Searched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit that nothing can keep: the nearest is named."""
    arguments = [*searched.arguments, "--limit", "size <= 1 kB", "--trials", "2"]
    arguments += ["--out", str(searched.folder.parent / "small")]
    folder = searched.folder.parent / "small" / "tiny-search"
    with monkeypatch.context() as patched:
        patched.setattr(bench, "untrained", interrupted_at_the_second())
        assert exit_code(arguments) == 130
    assert "1 trial so far, 0 trained" in (folder / "search.html").read_text()
    assert exit_code(arguments) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: No student fits")
    assert "size" in error
    assert "No student fits" in (folder / "search.html").read_text()
    assert not (folder / "best.toml").exists()


def interrupted_at_the_second() -> Callable[[Recipe, Path], ModelFile]:
    calls = count()

    def interrupting(recipe: Recipe, folder: Path) -> ModelFile:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return untrained(recipe, folder)

    return interrupting


def test_a_search_does_not_go_into_the_results_of_a_run(
    searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next run of a recipe `tiny-search` would replace it."""
    (tmp_path / "tiny-search").mkdir()
    (tmp_path / "tiny-search" / "provenance.json").touch()
    assert exit_code([*searched.arguments, "--out", str(tmp_path)]) == 2
    assert "holds the results of a run" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "tiny-search").iterdir()] == ["provenance.json"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--limit", "p90 <= 5"], "no unit"),
        (["--trials", "0"], "--trials"),
        (["--device", "nowhere"], "unknown device 'nowhere'"),
        (["--set", "search.space={distill={famly=['x']}}"], "famly"),
    ],
)
def test_a_mistake_is_one_paragraph_before_anything_runs(
    searched: Searched,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    says: str,
) -> None:
    out = tmp_path / "out"
    assert exit_code([*searched.arguments, "--out", str(out), *more]) == 2
    error = capsys.readouterr().err
    assert error.count("Error: ") == 1
    assert says in error
    assert not (out / "tiny-search" / "search.json").exists()
