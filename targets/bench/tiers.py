"""How long a measurement takes, by name."""

from typing import NamedTuple


class Tier(NamedTuple):
    """How long a model is measured, over all of its processes together: MLPerf Mobile's tiers."""

    processes: int
    min_queries: int
    min_duration_s: float
    max_duration_s: float
    repeats: int
    """How often a block is measured again that the machine disturbed."""


TIERS = {
    "rapid": Tier(6, 64, 6.0, 60.0, repeats=0),
    "quick": Tier(6, 128, 10.0, 60.0, repeats=3),
    # Ten processes: the interval of their median leaves out the fastest and the slowest.
    "normal": Tier(10, 1024, 60.0, 600.0, repeats=3),
}
