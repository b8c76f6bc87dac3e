"""Two runs side by side: what differs is shown, and chance is not."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli.app import exit_code
from pipeline.gates import comparison
from pipeline.gates.baseline import FileBaseline
from pipeline.gates.figures import Measured
from pipeline.reporting.pages.comparison import render
from pipeline.reporting.schema.comparison import Compared
from pipeline.reporting.tables.comparison import words
from targets.errors import InputError
from tests.conftest import Lane


def test_a_run_does_not_differ_from_itself(found: list[Measured]) -> None:
    rows = comparison.compared(found, found)
    assert len(rows) == 6
    assert {words(row) for row in rows} == {"no difference"}
    for row in rows:
        assert (row.gain, row.lost, row.won, row.p_value) == (0, 0, 0, 1)
        assert row.top1 == row.other_top1


def file(random: np.random.Generator, *, right: float, ms: float) -> FileBaseline:
    import base64

    bits = np.packbits(random.random(2000) < right)
    medians = tuple(np.exp(random.normal(np.log(ms * 1e6), 0.01, 6)).tolist())
    return FileBaseline(
        samples_sha256="same", samples=2000, right=base64.b64encode(bits.tobytes()).decode(),
        medians_ns=medians, size_bytes=1000,
    )  # fmt: skip


def row(before: FileBaseline, after: FileBaseline) -> Compared:
    return comparison._row("local", "student.int8.onnx", before, after)


def test_what_differs_is_shown() -> None:
    random = np.random.default_rng(0)
    worse = row(file(random, right=0.95, ms=1), file(random, right=0.9, ms=1.2))
    assert words(worse) == "less accurate, slower"
    assert worse.time_ratio == pytest.approx(1.2, rel=0.03)
    better = row(file(random, right=0.9, ms=1), file(random, right=0.95, ms=0.9))
    assert words(better) == "more accurate, faster"


def test_the_interval_of_a_time_ratio_holds_it_in_95_of_100_comparisons() -> None:
    random = np.random.default_rng(1)
    ratios = [
        row(file(random, right=0.9, ms=1), file(random, right=0.9, ms=1.1)) for _ in range(400)
    ]
    ends = [one.time_ratio_interval for one in ratios if one.time_ratio_interval is not None]
    assert np.mean([low <= 1.1 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.03)


def test_other_samples_have_no_gain_and_unreliable_times_no_ratio() -> None:
    random = np.random.default_rng(0)
    before = file(random, right=0.95, ms=1)
    after = before.model_copy(update={"samples_sha256": "other", "medians_ns": ()})
    one = row(before, after)
    assert (one.gain, one.p_value, one.time_ratio, one.other_median_ns) == (None, None, None, None)
    assert words(one) == "other test samples"
    assert words(one.model_copy(update={"other_top1": None})) == "accuracy not measured"


def test_the_page_groups_the_files_and_begins_with_the_differences() -> None:
    random = np.random.default_rng(0)
    same, worse = file(random, right=0.95, ms=1), file(random, right=0.5, ms=1)
    rows = [row(same, same), row(same, same), row(same, worse)]
    page = render(rows, first="a", second="b")
    assert page.index("<strong>Less accurate</strong>") < page.index("<strong>No difference</str")
    assert page.count('class="headline"') == 2


def test_runs_without_a_common_file_are_an_error(found: list[Measured]) -> None:
    other = [one for one in found if one.row.is_teacher]
    students = [one for one in found if not one.row.is_teacher]
    with pytest.raises(InputError, match=r"have no file in common on one device"):
        comparison.compared(students, other)


def test_the_command_compares_two_runs(
    finished: Lane, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = str(finished.out / "tiny")
    assert exit_code(["report", run, run]) == 0
    assert "no difference" in capsys.readouterr().out
    assert exit_code(["report", run, run, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 6
    assert exit_code(["report", run, str(tmp_path)]) == 2
    assert "no finished run there" in capsys.readouterr().err
