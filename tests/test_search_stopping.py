"""When a training is stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from pipeline.engine.progress import Console, EpochProgress, SilentConsole, SilentEpochs, Stopped
from pipeline.search.stopping import AT_LEAST, STAGE, EarlyStopping
from pipeline.training.loop import fit
from tests.tasks import small_task
from tests.workers import CFG, data


def stops(epoch: int, accuracy: float, *, epochs: int, trials: int = AT_LEAST) -> bool:
    earlier = [dict.fromkeys(range(1, epochs + 1), 0.5)] * trials
    return EarlyStopping(earlier=earlier, epochs=epochs).stops(epoch, accuracy)


@pytest.mark.parametrize("epochs", [3, 6, 10])
def test_never_in_the_first_third(epochs: int) -> None:
    stopped = [epoch for epoch in range(1, epochs + 1) if stops(epoch, 0.1, epochs=epochs)]
    assert stopped == list(range(epochs // 3 + 1, epochs)), "and not when it has ended"


def test_only_below_the_median_of_five_others() -> None:
    assert not stops(5, 0.6, epochs=6)
    assert not stops(5, 0.1, epochs=6, trials=AT_LEAST - 1)


class Killed(Exception):
    """The process ends here."""


@dataclass
class Killing(SilentConsole, SilentEpochs):
    """Killed when the epoch `at` is kept, before anybody hears of it."""

    at: int = 2
    accuracies: dict[int, float] = field(default_factory=dict)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        yield self

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self.accuracies[number] = accuracy
        if number == self.at:
            raise Killed


def test_an_epoch_that_a_kill_left_unjudged_is_judged_when_the_training_goes_on(
    tmp_path: Path,
) -> None:
    better = [dict.fromkeys(range(1, CFG.epochs + 1), 1.1)] * AT_LEAST
    watch = EarlyStopping(earlier=better, epochs=CFG.epochs)

    def train(console: Console) -> None:
        progress = partial(watch(console).epochs, STAGE)
        fit(small_task(data(), CFG), checkpoint=tmp_path / "state.npz", progress=progress)

    console = Killing()
    with pytest.raises(Killed):
        train(console)
    with pytest.raises(Stopped) as stopped:
        train(SilentConsole())
    assert (stopped.value.epoch, stopped.value.accuracy) == (2, console.accuracies[2])
