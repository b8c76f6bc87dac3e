"""The latency of every query, process by process."""

from typing import TYPE_CHECKING

import numpy as np

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
from pipeline.reporting.formatting import microseconds
from pipeline.reporting.schema.model_row import reliable
from targets.bench.record import Block
from targets.bench.result import BenchResult
from targets.bench.summary import SummaryRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODELS, PROCESSES = 12, 12
"""That are drawn: they bound the size of the page."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def quantiles(device: str, document: BenchResult) -> str | None:
    """A strip per process: 90 % of its queries, the middle half of them thick, and their median.

    The strip of a process that was disturbed or is not counted is grey, its median hollow. None
    where the runtimes gave no samples.
    """
    rows = [row for row in document.summary if _blocks(row, document)][:MODELS]
    if not rows:
        return None
    with picture(f"latencies {device}", 0.9 + 1.6 * ROW * len(rows)) as drawn:
        for place, row in enumerate(rows):
            _row(drawn.axes, place, row, document)
        time_axis(drawn.axes, "latency of a query, µs (log scale)")
        name_axis(drawn.axes, [row.model for row in rows])
        drawn.says = f"Latency of the queries on {device}, by process. {_says(rows, document)}"
    return drawn.svg


def _blocks(row: SummaryRow, document: BenchResult) -> list[Block]:
    """In the order of their rounds; of each, the attempts."""
    own = [block for block in document.blocks if block.model == row.model and block.samples_ns]
    return sorted(own, key=lambda block: (block.index, block.attempt))[:PROCESSES]


def _row(axes: "Axes", place: int, row: SummaryRow, document: BenchResult) -> None:
    blocks = _blocks(row, document)
    for number, block in enumerate(blocks):
        y = place + 0.7 * ((number + 0.5) / len(blocks) - 0.5)
        quiet = block.valid and block.counted and not document.device.emulated
        colour, face = (SHOWN, SHOWN) if quiet else (NOT_SHOWN, "none")
        low, first, median, third, high = np.quantile(block.samples_ns or (), QUANTILES) / 1e3
        axes.plot([low, high], [y, y], color=colour, linewidth=0.8)
        axes.plot([first, third], [y, y], color=colour, linewidth=3, alpha=0.5)
        axes.plot(median, y, "o", markersize=3, color=colour, markerfacecolor=face)
    if row.median_ns is not None and _is_reliable(row, document):
        reach = [place - 0.4, place + 0.4]
        axes.plot([row.median_ns / 1e3] * 2, reach, color=HEADLINE, linewidth=1.2)


def _is_reliable(row: SummaryRow, document: BenchResult) -> bool:
    return reliable(note_of(row, emulated=document.device.emulated))


def _says(rows: list[SummaryRow], document: BenchResult) -> str:
    return " ".join(
        f"{row.model}: median {microseconds(row.median_ns)}, 90th percentile "
        f"{microseconds(row.p90_ns)}{'' if _is_reliable(row, document) else ', not valid'}."
        for row in rows
    )
