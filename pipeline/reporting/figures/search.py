"""The figures of a search: accuracy against p90 and size, and the course over the trials."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from pipeline.reporting.figures.drawing import (
    HEADLINE,
    NOT_SHOWN,
    SHOWN,
    Picture,
    legend,
    picture,
    plain_numbers,
    time_axis,
)
from pipeline.reporting.findings.pareto import Point, pareto
from pipeline.reporting.findings.search import by_p90, by_size, measured, slowest, trained
from pipeline.reporting.formatting import duration, kilobytes, percent
from pipeline.reporting.schema.search import Figures, LimitRow, SearchResult, State, TrialRow
from targets.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VALIDATION = "top-1 on the validation split, %"
TRAINED = "#1f77b4"
FRONT, RECOMMENDED = "Pareto front", "recommended"
UNTRAINED: dict[State, tuple[str, str, str]] = {
    "over_limit": ("|", HEADLINE, "over a limit, not trained"),
    "stopped": ("x", NOT_SHOWN, "stopped early"),
    "failed": ("+", NOT_SHOWN, "failed"),
}
"""Mark, colour and words of the trials that have no place of their own: they stand on the axis."""
NEAR = (0.12, 0.4)
"""Logarithm of the cost, and points of accuracy."""
FLOOR = 0.025
"""Height of the marks on the axis, as a share of the axes."""


class _Cost(NamedTuple):
    name: str
    """`p90` or `size`: the figure of a limit, and in the name of the picture."""
    label: str
    of: Callable[[Figures], float | None]
    points: Callable[[Sequence[TrialRow]], Iterator[Point]]
    unit: float
    show: Callable[[float], str]


def latency(result: SearchResult) -> str | None:
    """Top-1 against the p90 of the slowest device; None where none was trained."""
    several = "the slowest device" if len(result.devices) > 1 else "one query"
    label = f"p90, ms ({several}, log scale)"
    return _drawn(result, _Cost("p90", label, _p90, by_p90, 1e6, duration))


def size(result: SearchResult) -> str | None:
    """Top-1 against the size of the file, as `latency`."""
    label = "size of the file, kB (log scale)"
    return _drawn(result, _Cost("size", label, _size, by_size, 1e3, _kilobytes))


def _p90(figures: Figures) -> float | None:
    device = slowest(figures)
    return None if device is None else device.p90_ns


def _size(figures: Figures) -> float:
    return figures.size_bytes


def _kilobytes(size: float) -> str:
    return kilobytes(round(size))


def _drawn(result: SearchResult, cost: _Cost) -> str | None:
    costs = {
        row.number: found / cost.unit
        for row in result.trials
        if (figures := measured(row)) and (found := cost.of(figures))
    }
    done = [row for row in trained(result.trials) if row.number in costs]
    if not done:
        return None
    with picture(f"search {cost.name}", 3.8) as drawn:
        _dots(drawn.axes, [costs[row.number] for row in done], done, result)
        _front(drawn.axes, pareto(tuple(cost.points(done))).on, cost)
        limits = [limit for limit in result.limits if limit.figure == cost.name]
        for limit in limits:
            _limit(drawn.axes, limit, cost)
        _on_the_axis(drawn.axes, costs, result)
        time_axis(drawn.axes, cost.label)
        _finish(drawn)
        drawn.says = _says(result, cost, limits, done)
    return drawn.svg


def _dots(axes: "Axes", x: Sequence[float], rows: Sequence[TrialRow], result: SearchResult) -> None:
    """The trained trials with their intervals, the recommended one with a ring."""
    for place, row in zip(x, rows, strict=True):
        low, high = row.top1_ci or (row.top1 or 0, row.top1 or 0)
        axes.plot([place] * 2, [100 * low, 100 * high], color=TRAINED, lw=1, alpha=0.3)
    rejected = {one.trial for one in result.rejected}
    for wanted, face, name in ((False, TRAINED, "trained"), (True, "none", "rejected")):
        there = [
            (place, 100 * (row.top1 or 0))
            for place, row in zip(x, rows, strict=True)
            if (row.number in rejected) == wanted
        ]
        if there:
            places, tops = zip(*there, strict=True)
            axes.plot(places, tops, "o", ms=5, color=TRAINED, mfc=face, ls="none", label=name)
    one = result.recommendation
    for place, row in zip(x, rows, strict=True):
        if one is not None and row.number == one.trial:
            axes.plot(
                place, 100 * (row.top1 or 0), "o", ms=13, mfc="none", mec=HEADLINE, mew=2,
                ls="none", label=RECOMMENDED,
            )  # fmt: skip


def _front(axes: "Axes", on: Sequence[Point], cost: _Cost) -> None:
    """The front as a line, and the number of each trial on it."""
    x, y = [point.cost / cost.unit for point in on], [100 * point.accuracy for point in on]
    if len(on) > 1:
        axes.step(x, y, "--", where="post", color=SHOWN, lw=1, alpha=0.6, label=FRONT, zorder=1)
    placed: list[tuple[float, float]] = []
    for point in reversed(on):
        at = math.log(point.cost), 100 * point.accuracy
        if not any(_near(at, other) for other in placed):
            axes.annotate(
                point.name, (point.cost / cost.unit, at[1]), (-4, 4), textcoords="offset points",
                ha="right", size=7, color=SHOWN,
            )  # fmt: skip
            placed.append(at)


def _near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether the numbers of two trials would cover one another."""
    return abs(one[0] - other[0]) < NEAR[0] and abs(one[1] - other[1]) < NEAR[1]


def _limit(axes: "Axes", limit: LimitRow, cost: _Cost) -> None:
    axes.axvline(limit.most / cost.unit, color=HEADLINE, lw=1.2, label=_limited(limit))


def _limited(limit: LimitRow) -> str:
    return f"limit: {printable(limit.text)}".replace("$", r"\$")  # else it begins a formula


def _on_the_axis(axes: "Axes", places: dict[int, float], result: SearchResult) -> None:
    """The trials that were not trained to the end, at `places` of the axis."""
    at_the_floor = axes.get_xaxis_transform()
    for state, (mark, colour, name) in UNTRAINED.items():
        x = [places[row.number] for row in result.trials
             if row.state == state and row.number in places]  # fmt: skip
        if x:
            axes.plot(
                x, [FLOOR] * len(x), mark, color=colour, ms=8, mew=1.2, ls="none", label=name,
                clip_on=False, transform=at_the_floor,
            )  # fmt: skip


def _finish(drawn: Picture) -> None:
    axes = drawn.axes
    axes.set_ylabel(VALIDATION)
    axes.margins(x=0.06, y=0.12)
    handles, names = axes.get_legend_handles_labels()
    below = legend(drawn.figure, handles, names, columns=3)
    for handle in below.legend_handles:
        if handle is not None and handle.get_label() == RECOMMENDED:
            handle.set_markersize(8)  # type: ignore[attr-defined]


def _says(
    result: SearchResult, cost: _Cost, limits: Sequence[LimitRow], done: Sequence[TrialRow]
) -> str:
    found = {point.name: point for point in pareto(tuple(cost.points(done))).on}
    on = "; ".join(
        f"trial {name} {cost.show(point.cost)}, {percent(point.accuracy)} %"
        for name, point in found.items()
    )
    limited = "".join(f" Limit: {limit.text}." for limit in limits)
    front = f" On the front: {on}." if on else ""
    others = sum(row.state != "trained" for row in result.trials)
    return (
        f"{VALIDATION}, against {cost.label}, of {len(done)} trained trials.{front}{limited} "
        f"{others} trials were not trained to the end."
    )


def course(result: SearchResult) -> str | None:
    """The best accuracy so far over the trials; None where none was trained."""
    from matplotlib.ticker import MaxNLocator

    done = sorted(trained(result.trials), key=lambda row: row.number)
    if not done:
        return None
    best = [*accumulate((100 * (row.top1 or 0) for row in done), max)]
    last = max(row.number for row in result.trials)
    with picture("search course", 3) as drawn:
        axes = drawn.axes
        x = [row.number for row in done]
        ends = [*x, last], [*best, best[-1]]
        axes.step(*ends, where="post", color=SHOWN, lw=1.2, alpha=0.7, label="best so far")
        _dots(axes, x, done, result)
        _on_the_axis(axes, {row.number: row.number for row in result.trials}, result)
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(drawn)
        rises = [
            f"trial {row.number} {percent(row.top1)} %"
            for row, now, before in zip(done, best, [0.0, *best], strict=False)
            if now > before
        ]
        drawn.says = f"{VALIDATION}, best so far over {len(result.trials)} trials: "
        drawn.says += f"{'; '.join(rises)}."
    return drawn.svg


def costs(result: SearchResult) -> str | None:
    """Size against p90 of every measured trial, with the limits: for a search that trained none."""
    found = [
        (device.p90_ns / 1e6, figures.size_bytes / 1e3)
        for row in result.trials
        if (figures := measured(row)) and (device := slowest(figures))
    ]
    if not found:
        return None
    with picture("search costs", 3.8) as drawn:
        axes = drawn.axes
        axes.plot(*zip(*found, strict=True), "o", ms=5, color=TRAINED, ls="none", label="measured")
        for limit in result.limits:
            if limit.figure == "p90":
                axes.axvline(limit.most / 1e6, color=HEADLINE, lw=1.2, label=_limited(limit))
            elif limit.figure == "size":
                at, named = limit.most / 1e3, _limited(limit)
                axes.axhline(at, color=HEADLINE, lw=1.2, ls="--", label=named)
        axes.set_yscale("log")
        plain_numbers(axes.yaxis, axes.get_ylim())
        time_axis(axes, "p90, ms (log scale)")
        axes.set_ylabel("size of the file, kB (log scale)")
        legend(drawn.figure, *axes.get_legend_handles_labels(), columns=3)
        drawn.says = (
            f"Size against p90 of {len(found)} measured trials. "
            f"Limits: {', '.join(limit.text for limit in result.limits)}."
        )
    return drawn.svg
