"""The trials of a search as a table, and a search on the terminal."""

import json
import re
from collections.abc import Collection, Iterator, Sequence

from pydantic import JsonValue

from pipeline.reporting.findings.search import decision, measured
from pipeline.reporting.findings.search_course import is_disturbed, sentences
from pipeline.reporting.findings.search_limits import show, value, worst
from pipeline.reporting.formatting import (
    NOT_MEASURED,
    approximate,
    duration,
    kilobytes,
    percent,
    span,
)
from pipeline.reporting.schema.search import DimensionRow, LimitRow, SearchResult, TrialRow
from pipeline.reporting.tables.cells import Cells, Table, print_rows, tabulate
from targets.errors import printable

TRIAL, STATE, SIZE, TOP1, INTERVAL, WHY = OWN = (
    "trial", "state", "size", "top-1 %", "95 % interval", "why",
)  # fmt: skip
"""Columns that are no dimension of the space."""
P90 = "p90"
"""The column of one device; of several, the name of each follows."""
STATES = {
    "trained": "trained", "stopped": "stopped", "over_limit": "over a limit", "failed": "failed",
}  # fmt: skip
LONGEST = 28
"""Characters of a value."""
NARROW = 12
"""Characters of a dimension's name on one line of the terminal."""


def trials(result: SearchResult) -> Table:
    """The trained ones first, the most accurate on top; of those over a limit, the nearest first.

    Of the dimensions, those whose values differ.
    """
    rows = sorted(result.trials, key=lambda row: _order(row, result.limits))
    names = short_names(varied(rows))
    return tabulate([_cells(row, names, result) for row in rows], optional=(TOP1, INTERVAL, WHY))


def _order(row: TrialRow, limits: Sequence[LimitRow]) -> tuple[int, float]:
    figures = measured(row)
    over = worst(figures, limits) if figures else 0.0
    return list(STATES).index(row.state), over if row.state == "over_limit" else -(row.top1 or 0)


def varied(rows: Sequence[TrialRow]) -> list[str]:
    """The keys whose values differ among the trials; all keys of a single trial."""
    keys = dict.fromkeys(key for row in rows for key in row.values)
    seen = {key: {shown(row.values.get(key)) for row in rows} for key in keys}
    return [key for key in keys if len(rows) == 1 or len(seen[key]) > 1]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Key of the recipe -> its shortest end that no other key and no other column has."""
    return {key: next(_ends(key, keys), key) for key in keys}


def _ends(key: str, keys: Collection[str]) -> Iterator[str]:
    parts = key.split(".")
    for start in range(len(parts) - 1, 0, -1):
        end = ".".join(parts[start:])
        others = [one for one in keys if one != key]
        if end not in (*OWN, P90) and not any(f".{one}".endswith(f".{end}") for one in others):
            yield printable(end)


def shown(value: JsonValue) -> str:
    """A value of a dimension; `-` where the trial has none."""
    match value:
        case None:
            return NOT_MEASURED
        case str():
            text = value
        case bool() | int():
            text = json.dumps(value)
        case float():
            text = f"{value:.4g}"
        case _:
            text = ", ".join(map(shown, value)) if isinstance(value, list) else json.dumps(value)
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _cells(row: TrialRow, names: dict[str, str], result: SearchResult) -> Cells:
    figures = measured(row)
    return {
        TRIAL: str(row.number),
        STATE: state(row, result),
        TOP1: percent(row.top1),
        INTERVAL: span(row.top1_ci, percent),
        **_times(row, result.devices),
        SIZE: NOT_MEASURED if figures is None else kilobytes(figures.size_bytes),
        **{name: shown(row.values.get(key)) for key, name in names.items()},
        WHY: printable(why(row, result)) or NOT_MEASURED,
    }


def _times(row: TrialRow, devices: Sequence[str]) -> Cells:
    """p90 per device; one that has none of the trial is not measured."""
    figures = measured(row)
    found = {one.device: one.p90_ns for one in figures.devices} if figures else {}
    note = "disturbed" if is_disturbed(row) else None
    return {
        f"{P90} {printable(name)}" if len(devices) > 1 else P90: approximate(
            duration(found.get(name)), note
        )
        for name in devices
    }


def state(row: TrialRow, result: SearchResult) -> str:
    one = result.recommendation
    if one is not None and one.trial == row.number:
        return "recommended"
    if row.number in {other.trial for other in result.rejected}:
        return "rejected"
    return "on the front" if row.number in result.front else STATES[row.state]


def why(row: TrialRow, result: SearchResult) -> str:
    return row.reason or next(
        (other.reason for other in result.rejected if other.trial == row.number), ""
    )


def limits(result: SearchResult) -> Table:
    """Each limit beside the recommended student, as it was measured at last."""
    one = result.recommendation
    rows = []
    for limit in result.limits:
        over = sum(
            (value(figures, limit) or 0) > limit.most
            for row in result.trials
            if (figures := measured(row))
        )
        found = value(one.figures, limit) if one else None
        share = NOT_MEASURED if found is None else f"{100 * found / limit.most:.0f} %"
        rows.append(
            {
                "limit": printable(limit.text),
                "trials over it": str(over),
                "recommended": NOT_MEASURED if found is None else show(limit, found),
                "of the limit": share,
            }
        )
    return tabulate(rows, optional=("recommended", "of the limit"))


def space(result: SearchResult) -> Table:
    """Each dimension, and how many of its values were tried."""
    return tabulate(
        [
            {
                "key": printable(dimension.key),
                "values": _values(dimension),
                "tried": str(
                    len({shown(t.values[dimension.key]) for t in result.trials
                         if dimension.key in t.values})
                ),
            }
            for dimension in result.space
        ]
    )  # fmt: skip


def _values(dimension: DimensionRow) -> str:
    if dimension.choices is not None:
        return "; ".join(map(shown, dimension.choices))
    text = f"{dimension.low:g} to {dimension.high:g}"
    text += f" in steps of {dimension.step:g}" if dimension.step is not None else ""
    return f"{text}, log scale" if dimension.log else text


def print_search(result: SearchResult) -> None:
    """What the command line shows of a search, to stdout."""
    print(decision(result).text)
    header, rows = trials(result)
    print_rows([_narrow(name) for name in header], rows, left=2, words=1)
    for line in sentences(result):
        print(line)


def _narrow(name: str) -> str:
    """A long name on several lines: its column is as wide as its values."""
    return name if len(name) <= NARROW else re.sub(r"(?<=[_.])", "\n", name)
