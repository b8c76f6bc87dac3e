"""The Pareto front of cost and accuracy: the files that no other one beats in both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.reporting.schema.model_row import Interval, ModelRow


@dataclass(frozen=True, kw_only=True)
class Point:
    name: str
    cost: float
    """Time or size: less is better."""
    cost_interval: Interval
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True, kw_only=True)
class Front:
    on: tuple[Point, ...]
    """The cheapest first; equal points are all on it."""
    undecided: tuple[Point, ...]
    """Off the front, and not shown to be: another measurement may have them on it."""


def pareto(points: Sequence[Point]) -> Front:
    """A point is off the front if another is at least as good in both and better in one.

    That is shown if the intervals of the two do not overlap in what the other is better in.
    """
    on = [p for p in points if not any(_dominates(q, p) for q in points)]
    off = [p for p in points if p not in on]
    return Front(
        on=tuple(sorted(on, key=lambda p: (p.cost, p.accuracy))),
        undecided=tuple(p for p in off if not any(_shown(q, p) for q in points)),
    )


def _dominates(one: Point, other: Point) -> bool:
    at_least = one.cost <= other.cost and one.accuracy >= other.accuracy
    return at_least and (one.cost < other.cost or one.accuracy > other.accuracy)


def _shown(one: Point, other: Point) -> bool:
    cheaper = one.cost_interval[1] < other.cost_interval[0]
    better = one.accuracy_interval[0] > other.accuracy_interval[1]
    return _dominates(one, other) and (cheaper or better)


def by_latency(rows: Sequence[ModelRow]) -> Iterator[Point]:
    """The files of one device whose latency is reliable."""
    for row in rows:
        if row.median_ns is not None and row.reliable_ci is not None:
            yield from _points(row, row.median_ns, row.reliable_ci)


def by_size(rows: Sequence[ModelRow]) -> Iterator[Point]:
    for row in rows:
        yield from _points(row, row.size_bytes, (row.size_bytes, row.size_bytes))


def _points(row: ModelRow, cost: float, interval: Interval) -> Iterator[Point]:
    if row.top1 is not None and row.top1_ci is not None:
        yield Point(
            name=row.name,
            cost=cost,
            cost_interval=interval,
            accuracy=row.top1,
            accuracy_interval=row.top1_ci,
        )


def sentence(front: Front, *, cost: str) -> str:
    """Which files are on the front, for a person."""
    if not front.on:
        return f"No file has a {cost} that can be relied on: there is no front."
    found = f"On the front of accuracy and {cost}: {', '.join(p.name for p in front.on)}."
    if not front.undecided:
        return found
    names = ", ".join(p.name for p in front.undecided)
    return f"{found} The measurement cannot decide whether it also has {names}."
