"""The figures of a run's models: accuracy against latency and size, and from stage to stage."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.reporting.figures.drawing import (
    ACCURACY,
    HEADLINE,
    NOT_SHOWN,
    SHOWN,
    Picture,
    legend,
    picture,
    time_axis,
)
from pipeline.reporting.findings.pareto import Front, by_latency, by_size, pareto, sentence
from pipeline.reporting.formatting import kilobytes, microseconds, percent
from pipeline.reporting.schema.model_row import ModelRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROLES = {"teacher": "#8c564b", "student": "#1f77b4", "student_qat": "#2ca02c"}
OTHER_ROLE = "#555555"
MARKERS = "osD^v"
"""Markers in the order of the formats in the report; the last one for all that follow."""
LINES = ("#1f77b4", "#d9730d")
FRONT, SHIPPED = "Pareto front", "recommended"
LEGEND = 72
"""Characters of a legend's line."""


def latency(rows: Sequence[ModelRow], shipped: str | None = None) -> str:
    """Top-1 against median latency on one device, each with its interval; the area of a mark is the
    file size. `shipped`: name of the file that gets a ring.

    A latency that is not reliable is a hollow grey mark without an interval.
    """
    front, largest = pareto(tuple(by_latency(rows))), max(row.size_bytes for row in rows)
    with picture(f"latency {rows[0].device}", 4.4) as drawn:
        for row in rows:
            about = ", ".join(filter(None, [kilobytes(row.size_bytes), row.note]))
            kind = _Kind(_marker(_formats(rows).index(row.format)), row.is_reliable, about)
            _mark(drawn.axes, row, _time(row), kind, area=30 + 270 * row.size_bytes / largest)
        _front(drawn.axes, front, 1000)
        _ring(drawn.axes, shipped, {row.name: _time(row)[0] for row in rows}, rows)
        time_axis(drawn.axes, "median latency, µs (one query, log scale)")
        _finish(drawn)
        each = "; ".join(f"{r.name} {microseconds(r.median_ns)}, {percent(r.top1)} %" for r in rows)
        drawn.says = (
            f"{ACCURACY}, against median latency: {each}. {sentence(front, cost='latency')}"
        )
    return drawn.svg


def size(rows: Sequence[ModelRow], shipped: str | None = None) -> str:
    """Top-1 against the size of the file, as `latency`."""
    front = pareto(tuple(by_size(rows)))
    with picture(f"size {rows[0].device}", 4.4) as drawn:
        for row in rows:
            kind = _Kind(_marker(_formats(rows).index(row.format)), True, kilobytes(row.size_bytes))
            _mark(drawn.axes, row, _size(row), kind, area=50)
        _front(drawn.axes, front, 1000)
        _ring(drawn.axes, shipped, {row.name: _size(row)[0] for row in rows}, rows)
        time_axis(drawn.axes, "size of the file, kB (log scale)")
        _finish(drawn)
        each = "; ".join(f"{r.name} {kilobytes(r.size_bytes)}, {percent(r.top1)} %" for r in rows)
        drawn.says = (
            f"{ACCURACY}, against the size of the file: {each}. {sentence(front, cost='size')}"
        )
    return drawn.svg


class _Kind(NamedTuple):
    marker: str
    solid: bool
    about: str
    """Behind the name in the legend."""


Reach = tuple[float, float, float]
"""A figure, and how far its interval reaches below and above it."""


def _time(row: ModelRow) -> Reach:
    assert row.median_ns is not None
    low, high = row.reliable_ci or (row.median_ns, row.median_ns)
    us = row.median_ns / 1000
    return us, us - low / 1000, high / 1000 - us


def _size(row: ModelRow) -> Reach:
    return row.size_bytes / 1000, 0, 0


def _front(axes: "Axes", front: Front, unit: float) -> None:
    if len(front.on) > 1:
        x, y = [p.cost / unit for p in front.on], [100 * p.accuracy for p in front.on]
        axes.step(x, y, "--", where="post", color=SHOWN, lw=1, alpha=0.6, label=FRONT, zorder=1)


def _ring(
    axes: "Axes", name: str | None, costs: Mapping[str, float], rows: Sequence[ModelRow]
) -> None:
    shipped = next((row for row in rows if row.name == name), None)
    if shipped is not None:
        at = costs[shipped.name], _top1(shipped)[0]
        axes.plot(*at, "o", ms=16, mfc="none", mec=HEADLINE, mew=2, ls="none", label=SHIPPED)


def _finish(drawn: Picture) -> None:
    axes = drawn.axes
    axes.set_ylabel(ACCURACY)
    handles, names = axes.get_legend_handles_labels()
    longest = max(map(len, names))
    below = legend(drawn.figure, handles, names, columns=2 if longest <= LEGEND // 2 else 1)
    for handle in below.legend_handles:
        # The marks' own sizes would cover one another.
        if handle is not None and handle.get_label() in (FRONT, SHIPPED):
            handle.set_markersize(7)  # type: ignore[attr-defined]
        else:
            handle.set_sizes([40])  # type: ignore[union-attr]
    axes.margins(x=0.2, y=0.15)


def _formats(rows: Sequence[ModelRow]) -> list[str]:
    return list(dict.fromkeys(row.format for row in rows))


def _marker(number: int) -> str:
    return MARKERS[min(number, len(MARKERS) - 1)]


def _mark(axes: "Axes", row: ModelRow, cost: Reach, kind: _Kind, *, area: float) -> None:
    (x, left, right), (y, below, over) = cost, _top1(row)
    colour = ROLES.get(row.role, OTHER_ROLE) if kind.solid else NOT_SHOWN
    xerr, yerr = [[left], [right]], [[below], [over]]
    axes.errorbar(x, y, xerr=xerr, yerr=yerr, color=colour, alpha=0.5, linewidth=1)
    axes.scatter(
        x,
        y,
        s=area,
        marker=kind.marker,
        facecolors=colour if kind.solid else "none",
        alpha=0.9,
        edgecolors="none" if kind.solid else colour,
        label=textwrap.fill(f"{row.name} ({kind.about})", LEGEND),
    )


def _top1(row: ModelRow) -> Reach:
    """Return top-1 in percent, and how far its interval reaches below and above it."""
    assert row.top1 is not None
    assert row.top1_ci is not None
    top1, low, high = 100 * row.top1, 100 * row.top1_ci[0], 100 * row.top1_ci[1]
    return top1, top1 - low, high - top1


def bought(rows: Sequence[ModelRow]) -> str:
    """Top-1 of each network from the teacher on, with Wilson's interval, a line per format.

    Only the first device is shown where there are several.
    """
    rows = list({(row.format, _network(row)): row for row in reversed(rows)}.values())[::-1]
    networks = list(dict.fromkeys(map(_network, rows)))
    formats = _formats(rows)
    with picture("bought", 3) as drawn:
        axes = drawn.axes
        for number, name in enumerate(formats):
            own = [row for row in rows if row.format == name]
            aside = 0.16 * (number - (len(formats) - 1) / 2)
            _line(axes, number, own, [networks.index(_network(row)) + aside for row in own], aside)
        axes.set_xticks(range(len(networks)), networks)
        axes.set_xlim(-0.5, len(networks) - 0.3)
        axes.set_ylabel(ACCURACY)
        axes.margins(y=0.15)
        axes.legend(fontsize=8, frameon=False)
        each = "; ".join(f"{row.name} {percent(row.top1)} %" for row in rows)
        drawn.says = f"{ACCURACY}, of each network: {each}."
    return drawn.svg


def _network(row: ModelRow) -> str:
    return f"{row.role.removesuffix('_qat')}\n{row.precision}"


def _line(
    axes: "Axes", number: int, rows: Sequence[ModelRow], x: Sequence[float], aside: float
) -> None:
    """One format: its networks at `x`, which is moved `aside` so that formats do not overlap."""
    top1, *reach = zip(*map(_top1, rows), strict=True)
    colour = LINES[min(number, len(LINES) - 1)]
    style, name = f"{_marker(number)}-", rows[0].format
    axes.errorbar(x, top1, yerr=reach, fmt=style, label=name, c=colour, lw=1, alpha=0.8, ms=5)
    where, side = ((-5, 4), "right") if aside < 0 else ((5, 4), "left")
    for place, y in zip(x, top1, strict=True):
        text, at = f"{y:.2f}", (place, y)
        axes.annotate(text, at, where, textcoords="offset points", ha=side, size=8, color=SHOWN)
