"""The loop of a search: ask, measure, train what fits, tell.

A candidate is measured untrained, because its latency and size do not depend on its weights; what
exceeds a limit is never trained. Measuring and training take turns: whatever trains on this machine
would disturb what is measured on it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.engine.progress import Stopped
from pipeline.recipe.limits import Limit
from pipeline.recipe.load import Source
from pipeline.reporting.schema.search import Figures
from pipeline.search.contract import (
    Candidate,
    Failed,
    Measuring,
    StoppedEarly,
    Trained,
    Training,
)
from pipeline.search.limits import missed, violations
from pipeline.search.space import described
from pipeline.search.study import Asked, Study
from pipeline.search.variants import candidate
from targets.errors import InputError

MOST_REPEATS = 200
"""Proposals in a row that have been tried, after which the space counts as exhausted."""
ALL_FAIL = 3
"""Trials after which a search without any other ends: the reason is not in the candidates."""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Loop:
    source: Source
    study: Study
    limits: Sequence[Limit]
    measuring: Measuring
    training: Training
    trials: int
    measure_first: bool
    say: Say
    on_result: Callable[[], None] = lambda: None
    """Called after each trial that has a result."""

    def run(self) -> None:
        """Until there are as many trials as asked for, or no other candidate."""
        while True:
            pending = self._going_on() or self._fitting()
            if not pending:
                return
            self._train(pending)

    def _going_on(self) -> list[Candidate]:
        """Those that were trained together when the search was interrupted."""
        numbers = self.study.in_training
        return self._candidates([one for one in self.study.running() if one.number in numbers])

    def _fitting(self) -> list[Candidate]:
        """As many candidates that keep the limits as can be trained at once."""
        asked = {one.number: one for one in self.study.running()}
        measured = self._candidates([one for one in asked.values() if "untrained" in one.record])
        left = [one for one in asked.values() if "untrained" not in one.record]
        pending = [one for one in measured if self._fits(one, self._untrained(one))]
        # The rest of those that were asked for together when the search was interrupted.
        pending += self._measured([*left, *self._new(self.study.missing(self.measuring.at_once))])
        while len(pending) < self.training.at_once:
            self.study.begin_group()
            some = [*self._new(self.measuring.at_once)]
            if not some:
                break
            pending += self._measured(some)
        return pending

    def _new(self, most: int) -> Iterator[Asked]:
        """New candidates; none once there are enough trials, or the space is exhausted."""
        for _ in range(most):
            found = None
            while found is None:
                tried = len(self.study.finished()) + len(self.study.running())
                if tried >= self.trials or self.study.repeats() >= MOST_REPEATS:
                    return
                found = self.study.ask()
            yield found

    def _candidates(self, asked: Sequence[Asked]) -> list[Candidate]:
        """Without those whose values are no recipe together, which fail."""
        found = []
        for one in asked:
            try:
                recipe = candidate(self.source, one.values)
            except InputError as error:
                self._failed(one, Failed(error=error))
                continue
            found.append(Candidate(number=one.number, values=one.values, recipe=recipe))
        return found

    def _untrained(self, one: Candidate) -> Figures:
        asked = next(a for a in self.study.running() if a.number == one.number)
        return Figures.model_validate(asked.record["untrained"])

    def _measured(self, asked: Sequence[Asked]) -> list[Candidate]:
        """Measure these, and return those that keep the limits."""
        kept, candidates = [], self._candidates(asked)
        if not candidates:
            return []
        for one, found in zip(candidates, self.measuring.untrained(candidates), strict=True):
            if isinstance(found, Failed):
                self._failed(one, found)
                continue
            figures, wall_s = found
            self.study.note(
                one.number, untrained=figures.model_dump(mode="json"), measuring_s=wall_s
            )
            if self._fits(one, figures):
                kept.append(one)
        return kept

    def _fits(self, one: Candidate, figures: Figures) -> bool:
        misses = missed(self.limits, figures)
        over = f"; over the limit: {misses[0]}" if misses else ""
        self._say(one, f"{_summary(figures)}{over}")
        if not misses or not self.measure_first:
            return True
        self.study.note(one.number, reason="; ".join(map(str, misses)))
        self.study.tell_over_limit(one.number, violations(self.limits, figures))
        self.on_result()
        return False

    def _train(self, candidates: Sequence[Candidate]) -> None:
        self.study.begin_training([one.number for one in candidates])
        for one in candidates:
            self._say(one, "training")
        found = self.training.train(candidates, earlier=self._earlier())
        for one, outcome in zip(candidates, found, strict=True):
            self._tell(one, outcome)
            self.on_result()

    def _tell(self, one: Candidate, outcome: Trained | StoppedEarly | Failed) -> None:
        match outcome:
            case Failed():
                self._failed(one, outcome)
            case StoppedEarly(stopped=stopped, wall_s=wall_s):
                self._stopped(one, stopped, wall_s)
            case Trained():
                self._trained(one, outcome)

    def _stopped(self, one: Candidate, stopped: Stopped, wall_s: float) -> None:
        epoch, accuracy = stopped.epoch, stopped.accuracy
        reason = f"after epoch {epoch}: {100 * accuracy:.2f} %, below the median of the others"
        self._say(one, f"stopped {reason}")
        self.study.note(one.number, reason=reason, epochs=epoch, training_s=wall_s)
        self.study.tell_stopped(
            one.number,
            violations(self.limits, self._untrained(one)),
            epoch=epoch,
            accuracy=accuracy,
        )

    def _trained(self, one: Candidate, trained: Trained) -> None:
        figures = self._untrained(one).model_copy(
            update={
                "sha256": trained.record.sha256,
                "size_bytes": trained.record.size_bytes,
            }
        )
        misses = missed(self.limits, figures)
        late = f"; over the limit: {misses[0]}" if misses else ""
        self._say(one, f"{100 * trained.top1:.2f} % on the validation split{late}")
        self.study.note(
            one.number,
            trained=figures.model_dump(mode="json"),
            reason="; ".join(map(str, misses)),
            accuracies=trained.accuracies,
            samples=len(trained.right),
            epochs=trained.epochs,
            training_s=trained.wall_s,
        )
        self.study.tell(one.number, violations(self.limits, figures), trained.top1)

    def _failed(self, one: Candidate | Asked, failed: Failed) -> None:
        self._say(one, f"failed: {failed.error}")
        self.study.note(one.number, reason=str(failed.error), training_s=failed.wall_s)
        self.study.tell_failed(one.number)
        self.on_result()
        states = [trial.state.name for trial in self.study.finished().values()]
        if len(states) >= ALL_FAIL and set(states) == {"FAIL"}:
            raise failed.error

    def _earlier(self) -> list[Mapping[int, float]]:
        """The epochs of the trials that were trained to the end."""
        records = [one.user_attrs.get("record", {}) for one in self.study.finished().values()]
        return [
            {int(epoch): float(value) for epoch, value in record["accuracies"].items()}
            for record in records
            if "accuracies" in record
        ]

    def _say(self, one: Candidate | Asked, text: str) -> None:
        self.say(f"trial {one.number:<3} {described(one.values)}: {text}")


def _summary(figures: Figures) -> str:
    from pipeline.reporting.formatting import duration, kilobytes

    times = ", ".join(f"p90 {duration(d.p90_ns)} on {d.device}" for d in figures.devices)
    return f"{kilobytes(figures.size_bytes)}, {times}"
