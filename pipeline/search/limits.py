"""Limits against figures: the worst device counts."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.recipe.limits import Limit, parse
from pipeline.reporting.formatting import duration, kilobytes
from pipeline.reporting.schema.search import DeviceFigures, Figures, LimitRow


class Miss(NamedTuple):
    limit: Limit
    value: float
    device: str | None
    """The device that misses it by most; None for the size."""
    disturbed: bool = False
    """Whether another measurement may give another value."""

    @property
    def factor(self) -> float:
        return self.value / self.limit.most

    def __str__(self) -> str:
        where = f" on {self.device}" if self.device else ""
        where += " (disturbed)" if self.disturbed else ""
        return (
            f"{self.limit.figure} {shown(self.limit, self.value)}{where}, limit {self.limit.text}"
        )


def limits_of(texts: Sequence[str]) -> tuple[Limit, ...]:
    return tuple(parse(text) for text in texts)


def rows(limits: Sequence[Limit]) -> tuple[LimitRow, ...]:
    return tuple(LimitRow(figure=one.figure, most=one.most, text=one.text) for one in limits)


def shown(limit: Limit, value: float) -> str:
    return duration(value) if limit.is_time else kilobytes(int(value))


def violations(limits: Sequence[Limit], figures: Figures) -> dict[str, float]:
    """Logarithm of each figure over its limit: above 0 where it is missed. By the limit's text."""
    return {one.text: math.log(worst(one, figures).factor) for one in limits}


def missed(limits: Sequence[Limit], figures: Figures, *, surely: bool = False) -> list[Miss]:
    """The limits that the figures exceed; with `surely` those that they are not shown to keep."""
    found = (worst(one, figures, upper=surely) for one in limits)
    return [one for one in found if one.factor > 1]


def doubtful(limits: Sequence[Limit], figures: Figures) -> bool:
    """Whether limits are exceeded, and each by a disturbed measurement alone."""
    misses = missed(limits, figures)
    return bool(misses) and all(one.disturbed for one in misses)


def worst(limit: Limit, figures: Figures, *, upper: bool = False) -> Miss:
    if limit.figure == "size":
        return Miss(limit, figures.size_bytes, None)
    value, one = max(
        ((_figure(limit, one, upper=upper), one) for one in figures.devices),
        key=lambda found: found[0],
    )
    return Miss(limit, value, one.device, disturbed=not one.valid)


def _figure(limit: Limit, one: DeviceFigures, *, upper: bool) -> float:
    match limit.figure:
        case "median":
            return one.median_ci[1] if upper and one.median_ci else one.median_ns
        case "p90":
            return one.p90_upper_ns if upper and one.p90_upper_ns else one.p90_ns
        case _:
            assert one.peak_memory_bytes is not None  # measured where a limit asks for it
            return one.peak_memory_bytes
