"""The candidate that is recommended: the most accurate whose trained file keeps the limits.

It is measured again for longer, and only it sees the test split: the search has chosen by the
validation split, whose accuracy is therefore a little too good.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.recipe.limits import Limit
from pipeline.reporting.schema.search import Figures, Recommendation, Rejected
from pipeline.search.contract import Candidate, Measuring, Trained
from pipeline.search.limits import missed
from targets.evaluation import metrics, significance

SIGNIFICANT = 0.05
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Finalist:
    candidate: Candidate
    read: Callable[[], Trained]
    """Runs the file over the validation split again."""

    @cached_property
    def trained(self) -> Trained:
        return self.read()


@dataclass(kw_only=True)
class Chosen:
    recommendation: Recommendation | None = None
    finalist: Finalist | None = None
    rejected: list[Rejected] = field(default_factory=list)


def choose(
    finalists: Sequence[Finalist],
    *,
    limits: Sequence[Limit],
    measuring: Measuring,
    test_top1: Callable[[Candidate], tuple[float, int]],
    say: Say,
) -> Chosen:
    """`finalists`: the trained candidates that keep the limits as measured untrained, the most
    accurate first."""
    chosen = Chosen()
    for place, one in enumerate(finalists):
        number = one.candidate.number
        say(f"trial {number}: its trained file is measured again")
        figures = measuring.trained(one.candidate, one.trained)
        misses = missed(limits, figures, surely=True)
        if misses:
            reason = "; ".join(f"{miss} (upper end)" for miss in misses)
            say(f"trial {number}: not shown to keep the limits: {reason}")
            chosen.rejected.append(Rejected(trial=number, reason=reason))
            continue
        others = finalists[place + 1 :]
        chosen.finalist = one
        chosen.recommendation = _recommended(one, figures, others, test_top1)
        break
    return chosen


def _recommended(
    one: Finalist,
    figures: Figures,
    others: Sequence[Finalist],
    test_top1: Callable[[Candidate], tuple[float, int]],
) -> Recommendation:
    import numpy as np

    second = others[0] if others else None
    p_value = None
    if second is not None:
        before, after = np.array(second.trained.right), np.array(one.trained.right)
        p_value = significance.mcnemar(before=before, after=after).p_value
    top1, samples = test_top1(one.candidate)
    return Recommendation(
        trial=one.candidate.number,
        figures=figures,
        next_best=None if second is None else second.candidate.number,
        p_value=p_value,
        separable=None if p_value is None else p_value < SIGNIFICANT,
        test_top1=top1,
        test_top1_ci=metrics.wilson_interval(top1, samples),
        sentence="",  # of all trials: `pipeline.search.document`
    )
