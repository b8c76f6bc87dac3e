"""The figure of `pipeline bench`: the median of every process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from pipeline.reporting.figures.drawing import (
    HEADLINE,
    NOT_SHOWN,
    ROW,
    SHOWN,
    name_axis,
    picture,
    time_axis,
)
from pipeline.reporting.findings.disturbances import note_of
from pipeline.reporting.schema.model_row import LatencyNote, reliable
from targets.bench.result import Document
from targets.bench.summary import Range, SummaryRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes that measured one model on one device."""

    name: str
    medians: tuple[tuple[float, bool], ...]
    """Of each process, in ns, and whether it is valid."""
    median_ns: float
    """Over processes."""
    interval: Range | None
    note: LatencyNote | None


def processes(documents: Mapping[str, Document]) -> str | None:
    """The median of every process, hollow where it was disturbed, and the interval of the headline.

    `documents` by device. None without any median.
    """
    several = len(documents) > 1
    models = [
        _of_model(row, row.median_ns, document, f"{device}: " if several else "")
        for device, document in documents.items()
        for row in document.summary
        if row.median_ns is not None
    ]
    return _draw(models) if models else None


def _of_model(row: SummaryRow, median_ns: float, document: Document, device: str) -> Processes:
    return Processes(
        name=device + row.model,
        medians=tuple(
            (median(block.samples_ns), block.valid)
            for block in document.blocks
            if block.model == row.model and block.samples_ns
        ),
        median_ns=median_ns,
        interval=row.median_ci,
        note=note_of(row, emulated=document.device.emulated),
    )


def _draw(models: Sequence[Processes]) -> str:
    with picture("processes", 0.9 + ROW * len(models)) as drawn:
        for place, model in enumerate(models):
            _row(drawn.axes, place, model)
        _legend(drawn.figure)
        time_axis(drawn.axes, "median of a process, µs (log scale)")
        name_axis(drawn.axes, [model.name for model in models])
    return drawn.svg


def _row(axes: "Axes", place: int, model: Processes) -> None:
    if model.interval and reliable(model.note):
        ends = [model.interval.low / 1e3, model.interval.high / 1e3]
        axes.plot(ends, [place] * 2, color=SHOWN, linewidth=5, alpha=0.25)
    for ns, valid in model.medians:
        quiet = valid and model.note != "emulated"
        face, edge = (SHOWN, SHOWN) if quiet else ("none", NOT_SHOWN)
        axes.plot(ns / 1e3, place, "o", markersize=5, color=edge, markerfacecolor=face)
    colour = HEADLINE if reliable(model.note) else NOT_SHOWN
    axes.plot(model.median_ns / 1e3, place, "|", markersize=18, color=colour)


def _legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            label=label,
            color=colour,
            marker=marker,
            markersize=size,
            markerfacecolor=face,
        )
        for label, colour, marker, size, face in (
            ("one process", SHOWN, "o", 5, SHOWN),
            ("not valid", NOT_SHOWN, "o", 5, "none"),
            ("median over processes", HEADLINE, "|", 12, HEADLINE),
        )
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
