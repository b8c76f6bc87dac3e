"""The study of a search: Optuna's trials in a journal file, from which a killed search goes on.

One objective, the accuracy on the validation split, with the limits as constraints: two objectives
cost up to twice the trainings for a worse result, and cannot be stopped early. The same seed gives
the same trials, also after an interruption, for three reasons: a trial that was running goes on
under its number; the sampler is seeded anew for each number and value, because its state is not
stored; and what was trained at the same time is told in the order of the numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.search.optimizer import imported
from pipeline.search.space import Space
from pipeline.search.storage import readable, storage

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study as OptunaStudy
    from optuna.trial import FrozenTrial, Trial

STARTUP = 10
"""Random trials before the sampler learns from them."""
PATIENCE = 3
"""Proposals that have been tried, after which one is random: the sampler's best is known by now."""
VALUES, RECORD, REPEATED = "values", "record", "repeated"
"""Attributes of a trial."""
GROUP, TRAINING, SPENT = "group", "training", "spent_s"
"""Attributes of the study."""
Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A trial that has no result yet."""

    number: int
    values: Values
    record: Mapping[str, Any]
    """What `note` has kept of it."""


@dataclass(frozen=True, kw_only=True)
class Study:
    study: "OptunaStudy"
    space: Space
    seed: int
    sampler: str
    spent_s: float = 0.0
    """Of the runs of the search before this one, as far as they were noted."""
    _live: "dict[int, Trial]" = field(default_factory=dict, repr=False)
    """Trials without a result, by number: to make one again draws its values again."""

    @classmethod
    def open(cls, journal: Path, *, space: Space, seed: int, sampler: str) -> "Study":
        """Go on with the trials of the file, if there is one. Raises `InputError` where it is
        damaged."""
        optuna = imported()
        with readable(journal):
            study = optuna.create_study(
                study_name="search",
                direction="maximize",
                storage=storage(journal),
                load_if_exists=True,
            )
        spent_s = study.user_attrs.get(SPENT, 0.0)
        return cls(study=study, space=space, seed=seed, sampler=sampler, spent_s=spent_s)

    def spend(self, seconds: float) -> float:
        """Note how long this run has lasted; with the ones before."""
        self.study.set_user_attr(SPENT, self.spent_s + seconds)
        return self.spent_s + seconds

    def running(self) -> list[Asked]:
        """Trials without a result, as an interrupted search leaves them."""
        found = (self._new(one.number) for one in self._trials("RUNNING"))
        return [one for one in found if one is not None]

    def finished(self) -> "Sequence[FrozenTrial]":
        return [one for one in self._trials() if one.state.is_finished() and not _repeated(one)]

    @property
    def repeated(self) -> int:
        return sum(_repeated(one) for one in self._trials())

    def repeats(self, number: int | None = None) -> int:
        """How many of the last proposals, before trial `number`, had been tried."""
        before = reversed(self._trials()[:number])
        return sum(1 for _ in takewhile(_repeated, before))

    def ask(self) -> Asked | None:
        """The next candidate; None for values that have been tried."""
        number = len(self._trials())
        self.study.sampler = self._sampler(number)
        self._live[number] = self.study.ask()
        return self._new(number)

    def _new(self, number: int) -> Asked | None:
        found = self._asked(number)
        if any(one.user_attrs.get(VALUES) == found.values for one in self._trials()[:number]):
            self._live[number].set_user_attr(REPEATED, True)
            self._tell(number, "FAIL")  # which the sampler does not learn from
            return None
        return found

    def note(self, number: int, **record: object) -> None:
        """Keep what is known of a trial so far; `record` can be written as JSON."""
        trial = self._trial(number)
        trial.set_user_attr(RECORD, {**trial.user_attrs.get(RECORD, {}), **record})

    def begin_group(self) -> None:
        """The trials from now on are asked for together, and measured together."""
        self.study.set_user_attr(GROUP, len(self._trials()))

    def missing(self, size: int) -> int:
        """How many trials the last group of `size` lacks."""
        first = self.study.user_attrs.get(GROUP)
        if first is None:
            return 0
        return max(0, size - sum(not _repeated(one) for one in self._trials()[first:]))

    def begin_training(self, numbers: Sequence[int]) -> None:
        """These trials are trained together, and told together, also after an interruption."""
        self.study.set_user_attr(TRAINING, list(numbers))

    @property
    def in_training(self) -> list[int]:
        running = {one.number for one in self._trials("RUNNING")}
        return [one for one in self.study.user_attrs.get(TRAINING, []) if one in running]

    def tell_over_limit(self, number: int, violations: Mapping[str, float]) -> None:
        """`violations`: above 0 where a limit is missed. Nothing was trained."""
        self._constrain(number, violations)
        self._tell(number, "PRUNED")

    def tell_stopped(
        self, number: int, violations: Mapping[str, float], *, epoch: int, accuracy: float
    ) -> None:
        self._constrain(number, violations)
        if epoch not in self._trials()[number].intermediate_values:
            self._trial(number).report(accuracy, epoch)
        self._tell(number, "PRUNED")

    def tell_failed(self, number: int) -> None:
        self._tell(number, "FAIL")

    def tell(self, number: int, violations: Mapping[str, float], accuracy: float) -> None:
        self._constrain(number, violations)
        self.study.tell(self._live.pop(number), accuracy)

    def _constrain(self, number: int, violations: Mapping[str, float]) -> None:
        known = self._trials()[number].constraints  # of a kill before the end of `tell`
        for name, value in violations.items():
            if name not in known:
                self._trial(number).set_constraint(name, value)

    def _tell(self, number: int, state: str) -> None:
        from optuna.trial import TrialState

        self.study.tell(self._trial(number), state=TrialState[state])
        del self._live[number]

    def _trial(self, number: int) -> "Trial":
        """The trial, drawn with the seed of its number."""
        from optuna.trial import Trial

        if number not in self._live:
            self.study.sampler = self._sampler(number)
            self._live[number] = Trial(self.study, self._trials()[number]._trial_id)
        return self._live[number]

    def _asked(self, number: int) -> Asked:
        """Draw the values, or read those that were drawn before the interruption."""
        trial = self._trial(number)
        if VALUES not in trial.user_attrs:
            trial.set_user_attr(VALUES, self.space.suggest(trial))
        attrs = trial.user_attrs
        return Asked(number=number, values=attrs[VALUES], record=attrs.get(RECORD, {}))

    def _sampler(self, number: int) -> "BaseSampler":
        from pipeline.search.sampling import Repeatable

        seed = (self.seed * 10_000 + number) % 2**32
        stuck = self.repeats(number) >= PATIENCE
        learns = self.sampler == "tpe" and number >= STARTUP and not stuck
        return Repeatable(seed, learns=learns)

    def _trials(self, *states: str) -> "list[FrozenTrial]":
        from optuna.trial import TrialState

        kept = tuple(TrialState[name] for name in states) or None
        return self.study.get_trials(deepcopy=False, states=kept)


def _repeated(trial: "FrozenTrial") -> bool:
    return REPEATED in trial.user_attrs
