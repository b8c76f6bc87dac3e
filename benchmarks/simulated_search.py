"""How long a search takes with more workers: simulated from measured costs, not measured.

It does what `pipeline.search.loop` does: the teacher first; then, again and again, candidates are
measured in the driver until every worker has one that fits, and all of them are trained together.
The seconds of each measurement and of each training are drawn from those of a real search: a round
lasts as long as its slowest training. A worker reads the teacher's logits from the store and writes
its results there; all share its bandwidth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Random = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Costs:
    teacher_s: float
    """Teacher and logits."""
    measuring_s: Sequence[float]
    """Of each candidate."""
    training_s: Sequence[float]
    """Of each candidate that was trained."""
    fitting: float
    """Share of the candidates that keep the limits."""
    task_s: float
    """Start of a worker's process."""
    bytes_per_task: float
    store_bytes_per_s: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Seconds of the driver's clock."""

    teacher_s: float
    measuring_s: float
    training_s: float
    store_s: float
    """The part of the training in which the store is the limit."""

    @property
    def wall_s(self) -> float:
        return self.teacher_s + self.measuring_s + self.training_s + self.store_s


def simulated(costs: Costs, *, workers: int, trials: int, devices: int, random: Random) -> Timeline:
    """A search of `trials` candidates; `devices` measure at the same time (a fleet)."""
    fits = random.random(trials) < costs.fitting
    measuring, training, store = 0.0, 0.0, 0.0
    place = 0
    while place < trials:
        pending, begun = 0, place
        while pending < workers and place < trials:
            group = fits[place : place + devices]
            place += len(group)
            pending += int(group.sum())
            measuring += float(random.choice(costs.measuring_s, len(group)).max())
        rounds = [_trained(costs, share, random) for share in _shares(pending, workers)]
        training += sum(one[0] for one in rounds)
        store += sum(one[1] for one in rounds)
        assert place > begun
    return Timeline(
        teacher_s=costs.teacher_s, measuring_s=measuring, training_s=training, store_s=store
    )


def _shares(pending: int, workers: int) -> list[int]:
    """A fleet can find more than there are workers: these wait for the next round."""
    return [min(workers, pending - first) for first in range(0, pending, workers)]


def _trained(costs: Costs, tasks: int, random: Random) -> tuple[float, float]:
    """Seconds of the slowest of these trainings, and what the store adds to them."""
    slowest = float(random.choice(costs.training_s, tasks).max()) + costs.task_s
    transfer = tasks * costs.bytes_per_task / costs.store_bytes_per_s
    return slowest, max(0.0, transfer - slowest) + costs.bytes_per_task / costs.store_bytes_per_s


def spread(
    costs: Costs, *, workers: int, trials: int, devices: int, draws: int, seed: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Part of the timeline -> its seconds in each of `draws` simulated searches."""
    random = np.random.default_rng(seed)
    lines = [
        simulated(costs, workers=workers, trials=trials, devices=devices, random=random)
        for _ in range(draws)
    ]
    names = ("teacher_s", "measuring_s", "training_s", "store_s", "wall_s")
    return {name: np.array([getattr(line, name) for line in lines]) for name in names}
