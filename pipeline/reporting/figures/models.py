"""The figures of a run's models: accuracy against latency, and accuracy from stage to stage."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.reporting.figures.drawing import ACCURACY, NOT_SHOWN, legend, picture, time_axis
from pipeline.reporting.formatting import kilobytes
from pipeline.reporting.schema.model_row import ModelRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROLES = {"teacher": "#8c564b", "student": "#1f77b4", "student_qat": "#2ca02c"}
OTHER_ROLE = "#555555"
MARKERS = "osD^v"
"""Markers in the order of the formats in the report; the last one for all that follow."""
LINES = ("#1f77b4", "#d9730d")
LEGEND = 72
"""Characters of a legend's line."""


def latency(rows: Sequence[ModelRow]) -> str:
    """Top-1 against median latency on one device, each with its interval; the area of a mark is the
    file size.

    A latency that is not reliable is a hollow grey mark without an interval.
    """
    formats = _formats(rows)
    with picture(f"latency {rows[0].device}", 4.2) as drawn:
        axes = drawn.axes
        for row in rows:
            _mark(axes, row, _marker(formats.index(row.format)))
        time_axis(axes, "median latency, µs (one query, log scale)")
        axes.set_ylabel(ACCURACY)
        named = axes.get_legend_handles_labels()
        longest = max(map(len, named[1]))
        below = legend(drawn.figure, *named, columns=2 if longest <= LEGEND // 2 else 1)
        for handle in below.legend_handles:
            # The marks' own sizes would cover one another.
            handle.set_sizes([40])  # type: ignore[union-attr]
        axes.margins(x=0.2, y=0.15)
    return drawn.svg


def _formats(rows: Sequence[ModelRow]) -> list[str]:
    return list(dict.fromkeys(row.format for row in rows))


def _marker(number: int) -> str:
    return MARKERS[min(number, len(MARKERS) - 1)]


def _mark(axes: "Axes", row: ModelRow, marker: str) -> None:
    assert row.median_ns is not None
    x, (y, below, over) = row.median_ns / 1000, _top1(row)
    colour = ROLES.get(row.role, OTHER_ROLE) if row.is_reliable else NOT_SHOWN
    low, high = row.reliable_ci or (row.median_ns, row.median_ns)
    about = ", ".join(filter(None, [kilobytes(row.size_bytes), row.note]))
    xerr, yerr = [[x - low / 1000], [high / 1000 - x]], [[below], [over]]
    axes.errorbar(x, y, xerr=xerr, yerr=yerr, color=colour, alpha=0.5, linewidth=1)
    axes.scatter(
        x,
        y,
        s=30 + row.size_bytes / 5000,
        marker=marker,
        facecolors=colour if row.is_reliable else "none",
        alpha=0.75,
        edgecolors="none" if row.is_reliable else colour,
        label=textwrap.fill(f"{row.name} ({about})", LEGEND),
    )


def _top1(row: ModelRow) -> tuple[float, float, float]:
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
        axes.annotate(text, at, where, textcoords="offset points", ha=side, size=8, color=colour)
