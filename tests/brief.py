"""The shortest tier in a fraction of its time, for measurements by the command in this process."""

import pytest

from targets.bench import tiers
from targets.bench.plan import BenchPlan


def brief(patch: pytest.MonkeyPatch, *, min_duration_s: float = 0.02) -> None:
    """`--tier rapid` is two short blocks; no process waits to be warm."""
    tier = tiers.Tier(2, 4, min_duration_s, 60.0, repeats=0)
    patch.setitem(tiers.TIERS, "rapid", tier)
    # Not the attributes: a dataclass has its defaults in its constructor.
    defaults = BenchPlan.__init__.__kwdefaults__
    assert defaults is not None
    patch.setitem(defaults, "warmup_runs", 1)
    patch.setitem(defaults, "warmup_s", 0.0)
