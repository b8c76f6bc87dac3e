"""The limits of a search: which trial misses which one, and by how much."""

from collections.abc import Iterator, Sequence

from pipeline.reporting.formatting import duration, kilobytes, megabytes
from pipeline.reporting.schema.search import Figures, LimitRow
from targets.errors import printable

BEST = {"size": "smallest", "memory": "smallest in memory"}
"""What the least of a figure is called; of a time, the fastest."""


def value(figures: Figures, limit: LimitRow) -> float | None:
    """The limited figure, in ns or bytes; of several devices, the worst counts."""
    match limit.figure:
        case "size":
            return figures.size_bytes
        case "memory":
            known = [device.peak_memory_bytes for device in figures.devices]
            return max((one for one in known if one is not None), default=None)
        case "median":
            return max((device.median_ns for device in figures.devices), default=None)
        case "p90":
            return max((device.p90_ns for device in figures.devices), default=None)


def show(limit: LimitRow, amount: float) -> str:
    match limit.figure:
        case "size":
            return kilobytes(round(amount))
        case "memory":
            return megabytes(round(amount))
        case _:
            return duration(amount)


def exceeded(figures: Figures, limits: Sequence[LimitRow]) -> list[LimitRow]:
    return [limit for limit in limits if (ratio(figures, limit) or 0) > 1]


def ratio(figures: Figures, limit: LimitRow) -> float | None:
    found = value(figures, limit)
    return None if found is None else found / limit.most


def named(limits: Sequence[LimitRow]) -> str:
    return " and ".join(map(_text, limits)) or "no limit"


def misses(trials: Sequence[tuple[int, Figures]], limits: Sequence[LimitRow]) -> Iterator[str]:
    """The limits that no trial meets, or, where each is met by some trial, the nearest trial.

    `trials`: their numbers and figures.
    """
    missed = [limit for limit in limits if not any(_meets(one, limit) for _, one in trials)]
    for limit in missed:
        known = [(found, number) for number, one in trials if (found := value(one, limit))]
        yield _least(limit, *min(known)) if known else f"no trial has a figure for {_text(limit)}"
    if not missed:
        number, figures = min(trials, key=lambda one: worst(one[1], limits))
        over = [
            f"misses {_text(limit)} with {show(limit, value(figures, limit) or 0)}"
            for limit in exceeded(figures, limits)
        ]
        only = "meets them by its figures, not by the bounds of its measurement"
        yield (
            f"each limit is met by some trial, but no trial meets {named(limits)}: the nearest, "
            f"trial {number}, {' and '.join(over) or only}"
        )


def _least(limit: LimitRow, least: float, number: int) -> str:
    return (
        f"no trial meets {_text(limit)}: the {BEST.get(limit.figure, 'fastest')} is trial {number} "
        f"with {show(limit, least)}, {least / limit.most:.2f} times the limit"
    )


def _text(limit: LimitRow) -> str:
    return printable(limit.text)


def _meets(figures: Figures, limit: LimitRow) -> bool:
    found = ratio(figures, limit)
    return found is not None and found <= 1


def worst(figures: Figures, limits: Sequence[LimitRow]) -> float:
    return max((ratio(figures, limit) or 0 for limit in limits), default=0)
