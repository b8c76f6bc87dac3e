"""The latency of every query on the page: bounded, and grey where a process was disturbed."""

from pipeline.gates.figures import Measured
from pipeline.reporting.figures.distributions import MODELS, PROCESSES, quantiles
from pipeline.reporting.figures.drawing import NOT_SHOWN
from pipeline.reporting.pages.report import render
from targets.bench.result import BenchResult


def document(found: list[Measured]) -> BenchResult:
    assert found[0].document is not None
    return found[0].document


def measured(found: list[Measured], *, valid: bool) -> BenchResult:
    """All processes quiet, or all disturbed."""
    one = document(found)
    blocks = tuple(block.model_copy(update={"valid": valid}) for block in one.blocks)
    return one.model_copy(update={"blocks": blocks})


def test_a_disturbed_process_is_grey_and_a_quiet_one_is_not(found: list[Measured]) -> None:
    for valid in (True, False):
        drawn = quantiles("local", measured(found, valid=valid))
        assert drawn is not None
        assert (NOT_SHOWN in drawn) != valid


def test_without_samples_there_is_no_figure_and_the_page_is_made(found: list[Measured]) -> None:
    one = document(found)
    blocks = tuple(block.model_copy(update={"samples_ns": None}) for block in one.blocks)
    without = one.model_copy(update={"blocks": blocks})
    assert quantiles("local", without) is None
    for documents in ({}, {"local": without}):
        assert "Latency of every query" not in render(found[0].report, {}, documents)
    assert "Latency of every query" in render(found[0].report, {}, {"local": one})


def test_many_models_and_processes_leave_the_figure_small(found: list[Measured]) -> None:
    one = document(found)
    summary = tuple(
        row.model_copy(update={"model": f"{row.model}{number}"})
        for number in range(MODELS) for row in one.summary
    )  # fmt: skip
    blocks = tuple(
        block.model_copy(update={"model": f"{block.model}{number}", "index": index})
        for number in range(MODELS) for index in range(2 * PROCESSES) for block in one.blocks
    )  # fmt: skip
    drawn = quantiles("local", one.model_copy(update={"summary": summary, "blocks": blocks}))
    assert drawn is not None
    assert len(drawn) < 150_000
