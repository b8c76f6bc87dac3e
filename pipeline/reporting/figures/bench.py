"""The figure of `pipeline bench`: the median of every process."""

from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

from pipeline.reporting.figures.drawing import (
    HEADLINE,
    NOT_SHOWN,
    ROW,
    SHOWN,
    legend,
    name_axis,
    picture,
    time_axis,
)
from pipeline.reporting.findings.disturbances import note_of
from pipeline.reporting.formatting import microseconds
from pipeline.reporting.schema.model_row import reliable
from targets.bench.result import BenchResult
from targets.bench.summary import SummaryRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def processes(documents: Mapping[str, BenchResult]) -> str | None:
    """The median of every process, hollow where it was disturbed, and the interval of the headline.

    `documents` by device. None without any median.
    """
    models = {
        f"{device}: {row.model}" if len(documents) > 1 else row.model: (row, document)
        for device, document in documents.items()
        for row in document.summary
        if row.median_ns is not None
    }
    if not models:
        return None
    with picture("processes", 0.9 + ROW * len(models)) as drawn:
        for place, (row, document) in enumerate(models.values()):
            _row(drawn.axes, place, row, document)
        _legend(drawn.figure)
        time_axis(drawn.axes, "median of a process, µs (log scale)")
        name_axis(drawn.axes, list(models))
        each = "; ".join(
            f"{name} {microseconds(row.median_ns)}" for name, (row, _) in models.items()
        )
        drawn.says = f"Median latency of every process, and over processes: {each}."
    return drawn.svg


def _row(axes: "Axes", place: int, row: SummaryRow, document: BenchResult) -> None:
    assert row.median_ns is not None
    is_reliable = reliable(note_of(row, emulated=document.device.emulated))
    if row.median_ci and is_reliable:
        ends = [row.median_ci.low / 1e3, row.median_ci.high / 1e3]
        axes.plot(ends, [place] * 2, color=SHOWN, linewidth=5, alpha=0.25)
    for block in document.blocks:
        if block.model == row.model and block.samples_ns:
            quiet = block.valid and not document.device.emulated
            face, edge = (SHOWN, SHOWN) if quiet else ("none", NOT_SHOWN)
            ns = median(block.samples_ns)
            axes.plot(ns / 1e3, place, "o", markersize=5, color=edge, markerfacecolor=face)
    colour = HEADLINE if is_reliable else NOT_SHOWN
    axes.plot(row.median_ns / 1e3, place, "|", markersize=18, color=colour)


def _legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], ls="none", color=colour, marker=mark, ms=size, mfc=face, label=label)
        for label, colour, mark, size, face in (
            ("one process", SHOWN, "o", 5, SHOWN),
            ("not valid", NOT_SHOWN, "o", 5, "none"),
            ("median over processes", HEADLINE, "|", 12, HEADLINE),
        )
    ]
    legend(figure, handles, [str(handle.get_label()) for handle in handles], columns=3)
