"""Early stopping: the median of the trials that were trained to the end, by Optuna's pruner."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.engine.progress import Console, EpochProgress, Stopped
from pipeline.search.optimizer import imported

STAGE = "distill"
AT_LEAST = 5
"""Trials that must have been trained to the end before one is stopped."""


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Decides from the earlier trials alone, so that trials can be trained at the same time and a
    search that goes on decides the same. Can be pickled."""

    earlier: Sequence[Mapping[int, float]]
    """Epoch -> accuracy on the validation split, of each."""
    epochs: int

    def __call__(self, console: Console) -> Console:
        return WatchedConsole(shown=console, stopping=self)

    def stops(self, epoch: int, accuracy: float) -> bool:
        """Whether the accuracy is below the median of the others' at this epoch. Never in the first
        third, where the learning rate is at its peak and the accuracy says little of the end."""
        if epoch >= self.epochs:
            return False
        optuna = imported()
        from optuna.pruners import MedianPruner
        from optuna.trial import TrialState, create_trial

        pruner = MedianPruner(n_startup_trials=AT_LEAST, n_warmup_steps=self.epochs // 3 + 1)
        study = optuna.create_study(direction="maximize", pruner=pruner)
        for one in self.earlier:
            study.add_trial(create_trial(value=one[max(one)], intermediate_values=dict(one)))
        running = create_trial(state=TrialState.RUNNING, intermediate_values={epoch: accuracy})
        return pruner.prune(study, running)


@dataclass(frozen=True, kw_only=True)
class WatchedConsole:
    shown: Console
    stopping: EarlyStopping

    def say(self, text: str) -> None:
        self.shown.say(text)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        with self.shown.epochs(stage, first=first, total=total) as shown:
            watched = WatchedEpochs(shown=shown, stopping=self.stopping)
            yield watched if stage == STAGE else shown


@dataclass(frozen=True, kw_only=True)
class WatchedEpochs:
    shown: EpochProgress
    stopping: EarlyStopping

    def step(self, done: int, of: int) -> None:
        self.shown.step(done, of)

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self.shown.epoch(number, loss=loss, accuracy=accuracy)
        if self.stopping.stops(number, accuracy):
            raise Stopped(number, accuracy)
