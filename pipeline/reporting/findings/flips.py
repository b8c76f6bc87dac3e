"""The test samples that turned wrong or right from one network to the next.

Equal accuracies can hide them: Yan et al. 2021, arXiv 2011.09161.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from pipeline.reporting.schema.flip import Flip, Prediction
from pipeline.reporting.schema.model_row import ModelRow, small_files
from pipeline.reporting.schema.predictions import TEACHER, Predictions

LISTED = 12
"""Samples of a pair of networks that are listed, of those that turned wrong and right each."""


def flips(rows: Sequence[ModelRow], found: Predictions, classes: Sequence[str]) -> tuple[Flip, ...]:
    """From the teacher to the float student, and from that to its first small file; of each pair
    first what turned wrong, and of that first what the later network is surest of."""
    pairs = _pairs([row for row in rows if row.name in found.models], found)
    return tuple(flip for pair in pairs for flip in _between(*pair, found, classes))


def _pairs(rows: Sequence[ModelRow], found: Predictions) -> Iterator[tuple[str, str]]:
    """Names of (before, after), the files of one format where possible."""
    first = min(small_files(rows), key=lambda row: row.precision != "int8", default=None)
    wanted = first.format if first else None
    ordered = sorted(rows, key=lambda row: row.format != wanted)
    teacher = next((row for row in ordered if row.is_teacher), None)
    student = next((r for r in ordered if (r.role, r.precision) == ("student", "float32")), None)
    chain = [row.name for row in (teacher, student, first) if row is not None]
    if teacher is None and TEACHER in found.models:
        chain = [TEACHER, *chain]
    return pairwise(chain)


def _between(before: str, after: str, found: Predictions, classes: Sequence[str]) -> Iterator[Flip]:
    was, now = found.right(before), found.right(after)
    sure = found.models[after].confidence or (0.0,) * len(now)
    for turned in (was & ~now, ~was & now):
        places = np.flatnonzero(turned)
        for place in places[np.argsort(-np.array(sure)[places], kind="stable")][:LISTED].tolist():
            yield Flip(
                split="test",
                index=place,
                label=classes[found.labels[place]],
                before=_prediction(before, place, found, classes),
                after=_prediction(after, place, found, classes),
            )


def _prediction(model: str, place: int, found: Predictions, classes: Sequence[str]) -> Prediction:
    one = found.models[model]
    return Prediction(
        model=model,
        predicted=classes[one.predicted[place]],
        confidence=one.confidence[place] if one.confidence else None,
    )
