"""The figure of a stream: missed words against false accepts per hour, a line for each file."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.reporting.figures.drawing import NOT_SHOWN, legend, picture
from pipeline.reporting.formatting import percent
from pipeline.reporting.schema.streaming import Streaming, StreamingRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = ("#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#7f7f7f")
STYLES = ("-", "--", ":", "-.")


def curve(found: Streaming) -> str:
    """Files with the same curve, as both formats of an int8 network have it, share a line."""
    with picture("stream", 3.4) as drawn:
        axes = drawn.axes
        for number, (name, row) in enumerate(_lines(found.files).items()):
            _line(axes, name, row, number)
        axes.axvline(found.false_accepts_per_hour, color=NOT_SHOWN, lw=1, ls="--")
        _scale(axes, found)
        axes.set_xlabel("false accepts per hour")
        axes.set_ylabel("missed words, %")
        axes.set_ylim(-0.03 * (top := _top(found)), top)
        legend(drawn.figure, *axes.get_legend_handles_labels(), columns=1)
        each = "; ".join(
            f"{row.model} {percent(row.false_reject_rate)} % at {row.false_accepts_per_hour:.1f}"
            for row in found.files
        )
        drawn.says = f"Missed words against false accepts per hour, at the thresholds: {each}."
    return drawn.svg


def _lines(rows: Sequence[StreamingRow]) -> Mapping[str, StreamingRow]:
    """Names of the files of each line -> one of them."""
    groups: dict[tuple[object, ...], list[StreamingRow]] = {}
    for row in rows:
        groups.setdefault((row.curve, row.threshold), []).append(row)
    return {", ".join(row.model for row in group): group[0] for group in groups.values()}


def _line(axes: "Axes", name: str, row: StreamingRow, number: int) -> None:
    colour, style = LINES[number % len(LINES)], STYLES[number % len(STYLES)]
    accepts = [point[1] for point in row.curve]
    missed = [100 * point[2] for point in row.curve]
    axes.plot(accepts, missed, style, marker=".", ms=4, color=colour, lw=1.2, label=name)
    if row.threshold is not None:
        at = row.false_accepts_per_hour, 100 * row.false_reject_rate
        axes.plot(*at, "o", ms=11, mfc="none", mec=colour, mew=2, ls="none", clip_on=False)


def _top(found: Streaming) -> float:
    """What is missed where there are false accepts, and at the thresholds: thresholds that are too
    high leave the picture at none."""
    shown = [row.false_reject_rate for row in found.files if row.threshold is not None]
    shown += [point[2] for row in found.files for point in row.curve if point[1] > 0]
    return min(103.0, 130 * max([0.05, *shown]))


def _scale(axes: "Axes", found: Streaming) -> None:
    """Linear up to one false accept in the stream, below which there is only none."""
    from matplotlib import ticker

    one = 1 / found.judged_on.hours
    most = max(point[1] for row in found.files for point in row.curve)
    axes.set_xscale("symlog", linthresh=one, linscale=0.4)
    axes.set_xlim(-0.15 * one, 1.3 * max(most, found.false_accepts_per_hour, one))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
