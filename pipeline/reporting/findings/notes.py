"""What accuracies do not show by themselves, in sentences for the console and the report."""

from collections.abc import Mapping, Sequence

import numpy as np

from targets.evaluation import metrics
from targets.evaluation.significance import Right, mcnemar
from targets.formats.input_kinds import Words

LEVEL = 0.05
"""Level of the two-sided test below which a difference is shown."""


def at_chance(
    shares: Mapping[str, float],
    labels: metrics.Labels,
    classes: Sequence[str],
    *,
    what: str,
    words: Words,
) -> str | None:
    """Which models (name -> top-1) are not shown to be better than always naming one class.

    `what` is the split, and `words` are those for its samples.
    """
    names = [n for n, share in shares.items() if not metrics.shown_above_chance(share, labels)]
    if not names:
        return None
    common = classes[int(np.bincount(labels).argmax())]
    listed = ", ".join(f"{name} ({100 * shares[name]:.1f} %)" for name in names)
    return (
        f"Not shown to be better than always naming '{common}', the most frequent class, which is "
        f"right for {100 * metrics.most_frequent_share(labels):.1f} % of the {len(labels)} {what} "
        f"{words.many}: {listed}. Check the labels, train longer, or add {words.many} of the other "
        "classes."
    )


def outdone_teacher(*, student: Right, teacher: Right, words: Words) -> str | None:
    """A sentence where the student is shown to be better than its teacher on the same samples."""
    pairs = mcnemar(before=teacher, after=student)
    if pairs.gain <= 0 or pairs.p_value >= LEVEL:
        return None
    return (
        f"The student is better than its teacher: right for {100 * student.mean():.1f} % of the "
        f"{len(student)} test {words.many}, the teacher for {100 * teacher.mean():.1f} % "
        f"(McNemar's p = {pairs.p_value:.2g}). A better teacher would teach it more: train it "
        "longer (teacher.epochs), or provide one with --teacher."
    )
