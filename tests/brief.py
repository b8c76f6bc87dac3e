"""Measurements by the command in this process, in a fraction of the shortest tier's time."""

import pytest

from targets.bench import tiers
from targets.bench.plan import BenchPlan


def brief(patch: pytest.MonkeyPatch, *, min_duration_s: float = 0.02) -> None:
    """Patch `--tier rapid` to two blocks of half `min_duration_s` seconds without warm-up."""
    tier = tiers.Tier(2, 4, min_duration_s, 60.0, repeats=0)
    patch.setitem(tiers.TIERS, "rapid", tier)
    # Not the attributes: a dataclass has its defaults in its constructor.
    defaults = BenchPlan.__init__.__kwdefaults__
    assert defaults is not None
    patch.setitem(defaults, "warmup_runs", 1)
    patch.setitem(defaults, "warmup_s", 0.0)
