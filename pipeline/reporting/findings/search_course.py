"""What became of the trials of a search, and what it cost."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from pipeline.reporting.findings.search import measured
from pipeline.reporting.findings.search_limits import exceeded
from pipeline.reporting.formatting import elapsed
from pipeline.reporting.schema.search import LimitRow, SearchResult, TrialRow
from targets.errors import listed

MOST = 5
"""Failed trials that are named."""


def sentences(result: SearchResult) -> list[str]:
    return [*untrained(result), *disturbed(result), *cost(result)]


def untrained(result: SearchResult) -> Iterator[str]:
    """Why trials were not trained to the end, in groups."""
    by_state = {
        state: [row for row in result.trials if row.state == state]
        for state in ("over_limit", "stopped", "failed")
    }
    every = f"of {len(result.trials)} trials"
    for over, then in (
        (never_trained(result), "never trained"),
        ([row for row in by_state["over_limit"] if row.epochs], "measured after training only"),
    ):
        if over:
            limits = _limits(over, result)
            yield f"{len(over)} {every} {_were(over)} over a limit and {then}: {limits}."
    if stopped := by_state["stopped"]:
        yield f"{len(stopped)} {every} {_were(stopped)} stopped early for low accuracy."
    if failed := by_state["failed"]:
        numbers = listed([str(row.number) for row in failed], most=MOST)
        yield f"{len(failed)} {every} failed ({numbers}); the table has the reasons."


def never_trained(result: SearchResult) -> list[TrialRow]:
    return [row for row in result.trials if row.state == "over_limit" and not row.epochs]


def _were(rows: Sequence[TrialRow]) -> str:
    return "was" if len(rows) == 1 else "were"


def _limits(over: Sequence[TrialRow], result: SearchResult) -> str:
    """How many missed which limit."""
    missed = [_missed(row, result.limits) for row in over]
    counts = [
        f"{number} {limit.figure}"
        for limit in result.limits
        if (number := sum(limit in several for several in missed))
    ]
    if others := sum(not several for several in missed):
        counts.append(f"{others} by the bound of the measurement")
    several = sum(len(one) > 1 for one in missed)
    return ", ".join(counts) + (f" ({several} more than one)" if several else "")


def _missed(row: TrialRow, limits: Sequence[LimitRow]) -> list[LimitRow]:
    figures = measured(row)
    return exceeded(figures, limits) if figures else []


def cost(result: SearchResult) -> Iterator[str]:
    """What the search took, and what the measuring of untrained files saved."""
    spent = result.cost
    text = f"The search took {elapsed(spent.wall_s)}: {elapsed(spent.measuring_s)} measuring and "
    epochs = sum(row.epochs for row in result.trials)
    text += f"{elapsed(spent.training_s)} training ({epochs} epochs)"
    if spent.repeated:
        text += f"; {spent.repeated} proposals repeated an earlier trial and cost nothing"
    yield f"{text}."
    over = never_trained(result)
    times = [row.training_s for row in result.trials if row.training_s > 0]
    if over and times:
        each = fmean(times)
        trainings = "1 training" if len(over) == 1 else f"{len(over)} trainings"
        yield (
            f"Measuring before training spared {trainings}, about {elapsed(len(over) * each)} at "
            f"the {elapsed(each)} that one took (mean of {len(times)})."
        )


def disturbed(result: SearchResult) -> Iterator[str]:
    """The trials whose times another measurement may contradict."""
    count = sum(is_disturbed(row) for row in result.trials)
    if count:
        yield (
            f"~ marks the times of {count} of {len(result.trials)} trials: their measurement was "
            "disturbed, and another one may give other times."
        )


def is_disturbed(row: TrialRow) -> bool:
    figures = measured(row)
    return figures is not None and not all(device.valid for device in figures.devices)
