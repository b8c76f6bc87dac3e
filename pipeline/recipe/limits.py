"""Limits of a search, as a person writes them: `p90 <= 5 ms`, `size <= 500 kB`."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from targets.errors import did_you_mean, printable

Figure = Literal["median", "p90", "size", "memory"]
TIMES: Mapping[str, float] = {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
SIZES: Mapping[str, float] = {
    "B": 1,
    "kB": 1e3,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
FIGURES: tuple[Figure, ...] = get_args(Figure)
UNITS: Mapping[str, Mapping[str, float]] = {
    "median": TIMES,
    "p90": TIMES,
    "size": SIZES,
    "memory": SIZES,
}
WRITTEN = re.compile(r"\s*(\w+)\s*(<=|≤|<)\s*([0-9][0-9.eE+-]*)\s*([A-Za-zµμ]*)\s*")
EXAMPLE = "write it as in 'p90 <= 5 ms' or 'size <= 500 kB'"


class Limit(NamedTuple):
    figure: Figure
    most: float
    """In nanoseconds or bytes."""
    text: str
    """As it was written."""

    @property
    def is_time(self) -> bool:
        return UNITS[self.figure] is TIMES


def parse(text: str) -> Limit:
    """Raises `ValueError` with the remedy."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(f"{printable(text)} is not a limit; {EXAMPLE}")
    written, _, number, unit = found.groups()
    unit = unit.replace("μ", "µ")  # the Greek letter
    name = next((figure for figure in FIGURES if figure == written), None)
    if name is None:
        known = ", ".join(FIGURES)
        raise ValueError(
            f"unknown figure '{written}'{did_you_mean(written, FIGURES)} Known: {known}"
        )
    if unit not in UNITS[name]:
        known = ", ".join(UNITS[name])
        given = f"'{unit}' is no unit of" if unit else "there is no unit for"
        raise ValueError(f"{printable(text)}: {given} {name}; it has: {known}; {EXAMPLE}")
    try:
        most = float(number) * UNITS[name][unit]
    except ValueError:
        raise ValueError(f"{printable(text)}: {number} is no number; {EXAMPLE}") from None
    if not 0 < most < float("inf"):
        raise ValueError(f"{printable(text)}: must be more than 0; {EXAMPLE}")
    return Limit(name, most, " ".join(text.split()))
