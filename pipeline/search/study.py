"""The study of a search: Optuna's trials in a journal file, from which a killed search goes on.

One objective, the accuracy on the validation split, with the limits as constraints: two objectives
cost up to twice the trainings for a worse result, and cannot be stopped early. The same seed gives
the same trials, also after an interruption, for three reasons: a trial that was running goes on
under its number; the sampler is seeded anew for each number and value, because its state is not
stored; and what was trained at the same time is told in the order of the numbers.

Optuna numbers the proposals, also those that had been tried before: here that is the `place`. The
`number` of a trial counts the others alone.
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
    """Trials without a result, by place: to make one again draws its values again."""

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
        places = [one.number for one in self._trials() if one.state.name == "RUNNING"]
        found = map(self._new, places)
        return [one for one in found if one is not None]

    def finished(self) -> "dict[int, FrozenTrial]":
        """By number."""
        return {n: one for n, one in self._numbered().items() if one.state.is_finished()}

    @property
    def repeated(self) -> int:
        return sum(_repeated(one) for one in self._trials())

    def repeats(self, place: int | None = None) -> int:
        """How many of the last proposals, before that at `place`, had been tried."""
        before = reversed(self._trials()[:place])
        return sum(1 for _ in takewhile(_repeated, before))

    def ask(self) -> Asked | None:
        """The next candidate; None for values that have been tried."""
        place = len(self._trials())
        self.study.sampler = self._sampler(place)
        self._live[place] = self.study.ask()
        return self._new(place)

    def _new(self, place: int) -> Asked | None:
        found = self._asked(place)
        if any(one.user_attrs.get(VALUES) == found.values for one in self._trials()[:place]):
            self._live[place].set_user_attr(REPEATED, True)
            self._end(place, "FAIL")  # which the sampler does not learn from
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
        finished = self.finished()
        return [one for one in self.study.user_attrs.get(TRAINING, []) if one not in finished]

    def tell_over_limit(self, number: int, violations: Mapping[str, float]) -> None:
        """`violations`: above 0 where a limit is missed. Nothing was trained."""
        self._constrain(number, violations)
        self._end(self._place(number), "PRUNED")

    def tell_stopped(
        self, number: int, violations: Mapping[str, float], *, epoch: int, accuracy: float
    ) -> None:
        self._constrain(number, violations)
        if epoch not in self._numbered()[number].intermediate_values:
            self._trial(number).report(accuracy, epoch)
        self._end(self._place(number), "PRUNED")

    def tell_failed(self, number: int) -> None:
        self._end(self._place(number), "FAIL")

    def tell(self, number: int, violations: Mapping[str, float], accuracy: float) -> None:
        self._constrain(number, violations)
        self.study.tell(self._live.pop(self._place(number)), accuracy)

    def _constrain(self, number: int, violations: Mapping[str, float]) -> None:
        known = self._numbered()[number].constraints  # of a kill before the end of `tell`
        for name, value in violations.items():
            if name not in known:
                self._trial(number).set_constraint(name, value)

    def _end(self, place: int, state: str) -> None:
        from optuna.trial import TrialState

        self.study.tell(self._at(place), state=TrialState[state])
        del self._live[place]

    def _trial(self, number: int) -> "Trial":
        return self._at(self._place(number))

    def _at(self, place: int) -> "Trial":
        """The trial, drawn with the seed of its place."""
        from optuna.trial import Trial

        if place not in self._live:
            self.study.sampler = self._sampler(place)
            self._live[place] = Trial(self.study, self._trials()[place]._trial_id)
        return self._live[place]

    def _asked(self, place: int) -> Asked:
        """Draw the values, or read those that were drawn before the interruption."""
        trial = self._at(place)
        if VALUES not in trial.user_attrs:
            trial.set_user_attr(VALUES, self.space.suggest(trial))
        attrs, before = trial.user_attrs, self._trials()[:place]
        number = sum(not _repeated(one) for one in before)
        return Asked(number=number, values=attrs[VALUES], record=attrs.get(RECORD, {}))

    def _sampler(self, place: int) -> "BaseSampler":
        from pipeline.search.sampling import Repeatable

        seed = self.seed * 10_000 + place
        stuck = self.repeats(place) >= PATIENCE
        learns = self.sampler == "tpe" and place >= STARTUP and not stuck
        return Repeatable(seed, learns=learns)

    def _place(self, number: int) -> int:
        return self._numbered()[number].number

    def _numbered(self) -> "dict[int, FrozenTrial]":
        return dict(enumerate(one for one in self._trials() if not _repeated(one)))

    def _trials(self) -> "list[FrozenTrial]":
        return self.study.get_trials(deepcopy=False)


def _repeated(trial: "FrozenTrial") -> bool:
    return REPEATED in trial.user_attrs
