"""Two runs as a table."""

from collections.abc import Sequence

from pipeline.reporting.formatting import (
    NOT_MEASURED,
    duration,
    kilobytes,
    p_value,
    percent,
    points,
    span,
    times,
)
from pipeline.reporting.schema.comparison import Compared
from pipeline.reporting.tables.cells import Cells, Table, tabulate

LEVEL = 0.05
NO_DIFFERENCE, OTHER_SAMPLES, NOT_KNOWN = NOTHING = (
    "no difference", "other test samples", "accuracy not measured",
)  # fmt: skip
"""Words of `words` that are of no difference."""
OPTIONAL = ("device", "gain, points", "time", "time ratio")


def comparison(rows: Sequence[Compared]) -> Table:
    return tabulate([_cells(row) for row in rows], optional=OPTIONAL)


def _cells(row: Compared) -> Cells:
    gain = NOT_MEASURED if row.gain is None else points(row.gain)
    return {
        "file": row.file,
        "device": row.device or NOT_MEASURED,
        "size": f"{kilobytes(row.size_bytes)} → {kilobytes(row.other_size_bytes)}",
        "top-1 %": f"{percent(row.top1)} → {percent(row.other_top1)}",
        "gain, points": _with(gain, span(row.gain_interval, points)),
        "p": p_value(row.p_value),
        "time": _pair(row),
        "time ratio": _with(times(row.time_ratio), span(row.time_ratio_interval, times)),
        "shown": words(row),
    }


def _pair(row: Compared) -> str:
    if row.median_ns is None and row.other_median_ns is None:
        return NOT_MEASURED
    return f"{duration(row.median_ns)} → {duration(row.other_median_ns)}"


def _with(text: str, interval: str) -> str:
    return text if interval == NOT_MEASURED else f"{text} ({interval})"


def words(row: Compared) -> str:
    """What the measurements show."""
    found = []
    if row.gain is None:
        measured = row.top1 is not None and row.other_top1 is not None
        found.append(OTHER_SAMPLES if measured else NOT_KNOWN)
    elif row.p_value is not None and row.p_value <= LEVEL:
        found.append("more accurate" if row.gain > 0 else "less accurate")
    if row.time_ratio_interval is not None:
        low, high = row.time_ratio_interval
        found += ["slower"] if low > 1 else ["faster"] if high < 1 else []
    return ", ".join(found) or NO_DIFFERENCE
