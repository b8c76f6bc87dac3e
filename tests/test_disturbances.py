"""Disturbances of a whole measurement are one line that a person can use."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.reporting.findings.disturbances import (
    WORDS,
    Timing,
    limits,
    lines,
    note_of,
    rows,
)
from targets.bench.record import Kind
from targets.bench.summary import summarise_blocks
from targets.bench.validity import DisturbanceRow, judged
from tests.blocks import block
from tests.reports import changed, model_row, report


def kind(name: Kind, **changes: object) -> DisturbanceRow:
    values = {"blocks": 6, "least": 1.0, "worst": 2.0, "limit": 1.0, "of": 2.0}
    return DisturbanceRow.model_validate({"kind": name, **values, **changes})


def model(name: str, *kinds: DisturbanceRow, **changes: Any) -> Timing:
    quiet = Timing(model=name, blocks=6, disturbances=kinds, note="disturbed" if kinds else None)
    return replace(quiet, **changes)


def shown(*models: Timing) -> list[str]:
    return limits(models, "report.html")


def test_a_quiet_measurement_has_no_line() -> None:
    assert shown(model("a"), model("b")) == []


def test_the_models_are_one_line_with_the_range_over_all_of_them() -> None:
    a = model("a", kind("others_cpu", least=0.4, worst=0.9), verdict="invalid")
    b = model("b", kind("others_cpu", least=0.6, worst=1.5, blocks=2), verdict="invalid")
    assert shown(a, b) == [
        "disturbed: others used 0.40 to 1.50 of 2 cores in 8 of 12 blocks: no verdict; "
        "details in report.html"
    ]


def test_only_the_most_frequent_kinds_are_named_and_the_others_counted() -> None:
    found = [
        kind("load", blocks=5),
        kind("others_cpu", blocks=1),
        kind("frequency", blocks=6, least=0.88, worst=0.5),
        kind("sentinel", blocks=1),
    ]
    (line,) = shown(model("a", *found))
    assert line.startswith("disturbed: the clock was down to 0.50 of its highest in 6 of 6 blocks,")
    assert "the load average was 1.0 to 2.0 on 2 CPUs in 5 of 6 blocks, 2 more kinds: " in line
    assert line.endswith(": these times are not reliable; details in report.html")


def test_the_models_without_a_verdict_are_named_where_others_have_one() -> None:
    quiet = model("quiet", verdict="faster")
    (line,) = shown(quiet, model("loud", kind("others_cpu"), verdict="invalid"))
    assert ": no verdict on loud; " in line


def test_a_model_that_is_too_slow_for_the_time_limit_is_not_called_disturbed() -> None:
    slow = judged(block(stop_reason="max_duration"), sentinel_baseline_ns=None, cpus=2)
    (row,) = summarise_blocks([slow])
    assert note_of(row, emulated=False) == "cut short"
    assert shown(model("a", *row.disturbances, note="cut short", verdict="invalid"))[0] == (
        "cut short: the time limit came before the requested number of queries in 1 of 6 blocks: "
        "no verdict; details in report.html"
    )


def test_what_else_limits_the_times_has_a_line_of_its_own() -> None:
    assert shown(model("a", note="emulated"), model("b", note="emulated")) == [
        "emulated: these times mean nothing, and there is no verdict"
    ]
    assert shown(model("a", note="unstable"), model("b")) == [
        "unstable: a: the medians of their processes differ by more than 10 %"
    ]
    assert shown(model("a", blocks=1, note="unstable")) == [
        "1 process per model: a verdict and an interval take 6"
    ]


def test_a_report_without_numbers_still_shows_that_it_was_disturbed() -> None:
    """As earlier versions wrote it."""
    row = changed(model_row("student.int8.tflite"), valid=False, speedup_verdict="invalid")
    assert lines(report([row]), "report.html") == ["disturbed: no verdict; details in report.html"]


@pytest.mark.parametrize("name", WORDS)
def test_every_kind_has_words(name: Kind) -> None:
    (line,) = shown(model("a", kind(name)))
    (cells,) = rows([model("a", kind(name))])
    for text in (line, *cells):
        assert text
        assert "{" not in text
