"""The student that a search recommends, in sentences: the decision, and what else is close.

The accuracy of the recommended one is compared with the next best by a paired test. With the others
it is compared by intervals, which separate less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.reporting.findings.pareto import Point, pareto
from pipeline.reporting.findings.search_limits import misses, named
from pipeline.reporting.formatting import duration, kilobytes, p_value, percent, span
from pipeline.reporting.schema.search import (
    DeviceFigures,
    Figures,
    Recommendation,
    SearchResult,
    TrialRow,
)
from targets.errors import listed, printable

MOST = 3
"""Other trials that a sentence names."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    found: bool | None
    """None as long as the search goes on."""
    text: str


def measured(trial: TrialRow) -> Figures | None:
    """The figures of its file: of the trained one, where there is one."""
    return trial.trained or trial.untrained


def slowest(figures: Figures) -> DeviceFigures | None:
    """The device that counts: the one with the largest p90."""
    return max(figures.devices, key=lambda device: device.p90_ns, default=None)


def trained(trials: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials that were trained to the end, the most accurate first."""
    found = [row for row in trials if row.state == "trained" and row.top1 is not None]
    return sorted(found, key=lambda row: -(row.top1 or 0))


def by_p90(trials: Sequence[TrialRow]) -> Iterator[Point]:
    """The trained trials; of several devices, the slowest counts."""
    for row in trained(trials):
        device = slowest(figures) if (figures := measured(row)) else None
        if device is not None:
            yield _point(row, device.p90_ns, device.p90_upper_ns or device.p90_ns)


def by_size(trials: Sequence[TrialRow]) -> Iterator[Point]:
    for row in trained(trials):
        if figures := measured(row):
            yield _point(row, figures.size_bytes, figures.size_bytes)


def _point(row: TrialRow, cost: float, most: float) -> Point:
    assert row.top1 is not None
    return Point(
        name=str(row.number),
        cost=cost,
        cost_interval=(cost, most),
        accuracy=row.top1,
        accuracy_interval=row.top1_ci or (row.top1, row.top1),
    )


def front(trials: Sequence[TrialRow]) -> tuple[int, ...]:
    """The trained trials that no other one beats in accuracy and p90, the fastest first."""
    return tuple(int(point.name) for point in pareto(tuple(by_p90(trials))).on)


def sentence(one: Recommendation, trials: Sequence[TrialRow]) -> str:
    """What to train at the full budget, and how sure the choice is."""
    (row,) = (trial for trial in trials if trial.number == one.trial)
    accuracy = (
        f"Train trial {one.trial}: {percent(row.top1)} % top-1 on the validation split, "
        f"{percent(one.test_top1)} % on the test split "
        f"(95 % interval {span(one.test_top1_ci, percent)})"
    )
    figures = [accuracy, *_costs(one.figures)]
    return " ".join([f"{'; '.join(figures)}.", *_next_best(one), *_close(one, row, trials)])


def _costs(figures: Figures) -> Iterator[str]:
    if device := slowest(figures):
        yield f"p90 {duration(device.p90_ns)} on {printable(device.device)}"
    yield kilobytes(figures.size_bytes)


def _next_best(one: Recommendation) -> Iterator[str]:
    if one.next_best is None:
        yield "No other trial was trained that it could be compared with."
        return
    separable = "separable" if one.separable else "not separable"
    p = p_value(one.p_value)
    shown = "" if one.p_value is None else f" (p {p if p.startswith('<') else f'= {p}'})"
    yield f"Its accuracy is {separable} from that of trial {one.next_best}, the next best{shown}."


def _close(one: Recommendation, row: TrialRow, trials: Sequence[TrialRow]) -> Iterator[str]:
    """The trials on a front that are smaller or faster, and not shown to be less accurate."""
    unbeaten = {point.name for by in (by_p90, by_size) for point in pareto(tuple(by(trials))).on}
    worse = {one.trial, one.next_best if one.separable else None}
    near = [
        f"trial {other.number} ({', '.join(gains)})"
        for other in trained(trials)
        if other.number not in worse and str(other.number) in unbeaten and _overlap(other, row)
        if (gains := [*_gains(other, row)])
    ]
    if near:
        yield f"Smaller or faster, and not shown to be less accurate: {listed(near, most=MOST)}."


def _overlap(one: TrialRow, other: TrialRow) -> bool:
    both = one.top1_ci, other.top1_ci
    return None not in both and max(ci[0] for ci in both if ci) <= min(ci[1] for ci in both if ci)


def _gains(other: TrialRow, than: TrialRow) -> Iterator[str]:
    """In what it is smaller or faster, beyond what the measurement leaves open."""
    mine, its = measured(than), measured(other)
    if mine is None or its is None:
        return
    slow, fast = slowest(mine), slowest(its)
    if slow and fast and (fast.p90_upper_ns or fast.p90_ns) < slow.p90_ns:
        yield f"p90 {duration(fast.p90_ns)}"
    if its.size_bytes < mine.size_bytes:
        yield kilobytes(its.size_bytes)


def decision(result: SearchResult) -> Decision:
    """The first thing that a person reads: which student to train, or why none."""
    if result.recommendation is not None:
        return Decision(found=True, text=result.recommendation.sentence)
    if not result.finished:
        return Decision(found=None, text=_so_far(result))
    return Decision(found=False, text=nothing_fits(result))


def _so_far(result: SearchResult) -> str:
    done, count = trained(result.trials), len(result.trials)
    trials = "1 trial" if count == 1 else f"{count} trials"
    text = f"Not finished: {trials} so far, {len(done)} {'of them ' * (count > 1)}trained"
    if done and (figures := measured(done[0])):
        text += f"; the best is trial {done[0].number}, {percent(done[0].top1)} % top-1 on the "
        text += f"validation split, {', '.join(_costs(figures))}"
    return f"{text}. The same command goes on."


def nothing_fits(result: SearchResult) -> str:
    """Why a finished search recommends nothing, and how far the nearest trials are."""
    rows = [(row.number, figures) for row in result.trials if (figures := measured(row))]
    if result.rejected:
        missed = [f"trial {row.trial} ({printable(row.reason)})" for row in result.rejected]
        return (
            "No student fits: each trained one missed a limit when its trained file was measured "
            f"again: {listed(missed, most=MOST)}."
        )
    if not result.trials:
        return "No student fits: the search has no trials."
    if not rows:
        return "No student fits: no trial could be measured; the table has the reasons."
    if all(row.state == "over_limit" for row in result.trials if measured(row)):
        return f"No student fits: {'; '.join(misses(rows, result.limits))}."
    limits = named(result.limits)
    return f"No student is recommended: no trial within {limits} was trained to the end."
