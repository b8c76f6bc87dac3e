"""What `benchmarks/search.py` makes of searches: the area of a front, ratios, their interval."""

import importlib
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reporting.schema.search import SearchResult
from tests.searches import search, trial

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SIDE = 6
POINT = st.tuples(st.integers(0, SIDE + 1), st.integers(0, SIDE + 1))


@pytest.fixture(scope="module", autouse=True)
def path() -> Iterator[None]:
    """The benchmarks are scripts beside one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield
    for name in ("search", "search_subset", "fresh"):
        sys.modules.pop(name, None)


def bench() -> ModuleType:
    return importlib.import_module("search")


def test_the_area_of_known_fronts() -> None:
    area = bench().hypervolume
    assert area([], (4, 4)) == 0
    assert area([(1, 1)], (4, 4)) == 9
    assert area([(1, 3), (2, 2), (3, 1)], (4, 4)) == 6
    assert area([(1, 3), (2, 2), (3, 1), (3, 3), (2, 2)], (4, 4)) == 6


@given(st.lists(POINT, max_size=8))
def test_the_area_is_the_cells_that_some_point_beats(points: list[tuple[int, int]]) -> None:
    cells = product(range(SIDE), repeat=2)
    beaten = sum(any(x <= a and y <= b for x, y in points) for a, b in cells)
    assert bench().hypervolume(points, (SIDE, SIDE)) == beaten


@given(st.lists(POINT, max_size=8), POINT)
def test_a_further_point_never_takes_area_away(
    points: list[tuple[int, int]], further: tuple[int, int]
) -> None:
    area, reference = bench().hypervolume, (SIDE, SIDE)
    assert area([*points, further], reference) >= area(points, reference)


def results(seeds: int = 5) -> dict[tuple[int, str], SearchResult]:
    """Ours finds a more accurate student than random search; the unfiltered one trains all."""
    found = {}
    for seed in range(seeds):
        over = [trial(n, p90_ms=9, top1=None) for n in (2, 3)]
        all_trained = [trial(n, p90_ms=9, top1=0.99) for n in (2, 3)]
        base, good = trial(0, p90_ms=1, top1=0.8), trial(1, p90_ms=3, top1=0.9 + seed / 100)
        found[seed, "search"] = search([base, good, *over])
        found[seed, "random"] = search([base, trial(1, p90_ms=4, top1=0.85), *over])
        found[seed, "unfiltered"] = search([base, good, *all_trained])
    return found


def test_searches_are_compared_seed_by_seed_up_to_one_reference() -> None:
    found = bench().compared(results())
    # The limit, and 1.1 times the error of the fastest student.
    assert found["reference"] == {"p90_ns": 5e6, "error": pytest.approx(0.22)}
    ratios = found["hypervolume_to_random"]
    # Of both (5 - 1) ms x 0.02; then (5 - 3) ms x 0.10 of ours for seed 0, more for each further
    # one, and (5 - 4) ms x 0.05 of random search.
    expected = [(0.08 + 2 * (0.10 + seed / 100)) / (0.08 + 0.05) for seed in range(5)]
    assert ratios["rounds"] == pytest.approx(expected)
    assert ratios["median"] == pytest.approx(expected[2])
    ends = {"low": expected[0], "high": expected[4], "level": 0.9375}
    assert ratios["interval"] == pytest.approx(ends)
    assert ratios["reached"]
    assert found["fewer_trained"]["rounds"] == [2.0] * 5


def test_a_student_that_misses_a_limit_adds_no_area() -> None:
    rows = {row["search"]: row for row in bench().compared(results(1))["searches"]}
    assert rows["unfiltered"]["hypervolume"] == rows["search"]["hypervolume"]
    assert rows["unfiltered"]["trained"] == 4


def test_few_seeds_have_no_interval() -> None:
    assert bench().compared(results(3))["fewer_trained"]["interval"] is None


def test_unequal_numbers_of_trials_are_not_compared() -> None:
    found = results(1)
    found[0, "random"] = search([trial(0)])
    with pytest.raises(click.ClickException, match="unequal numbers of trials"):
        bench().compared(found)


def test_searches_that_found_nothing_are_an_error_that_says_so() -> None:
    nothing = {key: search([trial(0, p90_ms=9, top1=None)]) for key in results(1)}
    with pytest.raises(click.ClickException, match="meets the limits; raise --limit"):
        bench().compared(nothing)


def test_the_report_says_whether_the_targets_are_reached(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench().report(bench().compared(results()))
    said = capsys.readouterr().out
    assert "random search: median 2.46 (93.8 % interval 2.15 to 2.77); 1.0: reached" in said
    assert "trained with it: median 2.00 (93.8 % interval 2.00 to 2.00); 2.0: reached" in said


def test_a_search_is_the_command_with_its_arm(tmp_path: Path) -> None:
    made = bench().Searches(
        folder=tmp_path, recipe="digits", trials=8, limits=("p90 <= 1 ms",), sets=("seed=1",)
    )
    argv = made.command(3, bench().UNFILTERED, tmp_path / "out")[3:]
    assert argv == [
        "search", "digits", "--limit=p90 <= 1 ms", "--trials", "8", "--set=search.seed=3",
        "--set=seed=1",
        "--set=search.sampler=tpe", "--set=search.measure_first=false", "--out",
        str(tmp_path / "out"), "--store", str(tmp_path / "store"),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_search_that_finds_no_student_is_read_and_one_that_breaks_is_an_error(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "written.json"
    written.write_text(search([trial(0)]).dump(), "utf-8")
    stub = tmp_path / "python"
    out = tmp_path / "random-measured-7" / "made-up"
    stub.write_text(
        f'#!/bin/sh\nmkdir -p "{out}" && cp "{written}" "{out}/search.json"\n'
        f"echo no answer of pi4 >&2\nexit {code}\n"
    )
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stub))
    runs = bench().Searches(folder=tmp_path, recipe="made-up", trials=1, limits=(), sets=())
    if code == 3:
        with pytest.raises(click.ClickException, match="random-measured-7: no answer of pi4"):
            runs.searched(7, "random", True)
    else:
        assert runs.searched(7, "random", True) == search([trial(0)])
