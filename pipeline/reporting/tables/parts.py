"""The files that are also there as front end and network as a table."""

from collections.abc import Sequence

from pipeline.reporting.formatting import (
    NOT_MEASURED,
    approximate,
    count,
    kilobytes,
    microseconds,
    percent,
)
from pipeline.reporting.schema.parts import PartsRow
from pipeline.reporting.tables.cells import Table, tabulate


def parts(rows: Sequence[PartsRow]) -> Table:
    several = len({row.device for row in rows}) > 1
    return tabulate(
        [
            {
                **({"device": row.device or NOT_MEASURED} if several else {}),
                "file": row.whole,
                "front end": kilobytes(row.front_end_bytes),
                "network": kilobytes(row.network_bytes),
                "whole, median": _time(row.whole_ns, row),
                "front end, median": _time(row.front_end_ns, row),
                "network, median": _time(row.network_ns, row),
                "equal labels %": percent(row.agreement),
                "steps apart": count(row.max_steps),
                "samples": count(row.samples),
            }
            for row in rows
        ],
        optional=("whole, median", "front end, median", "network, median"),
    )


def _time(ns: float | None, row: PartsRow) -> str:
    return approximate(microseconds(ns), row.latency_note)
