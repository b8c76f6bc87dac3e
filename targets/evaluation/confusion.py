"""Accuracy by class, from the confusion matrix [label, predicted class].

A class without samples does not count in a mean: it has no recall, and a data set that lacks it in
one split would change the figure of all others.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from targets.evaluation.metrics import Labels, Logits, predicted

Counts = npt.NDArray[np.int64]
"""[classes, classes]: samples by label and predicted class."""


class ClassScores(NamedTuple):
    """Of each class, [classes]; NaN where there is nothing to divide by."""

    support: npt.NDArray[np.int64]
    """Samples of the class."""
    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]


def confusion(logits: Logits, labels: Labels, *, classes: int) -> Counts:
    """The samples by label and predicted class."""
    return tally(predicted(logits), labels, classes=classes)


def tally(found: npt.NDArray[np.intp], labels: Labels, *, classes: int) -> Counts:
    """As `confusion`, of the predicted classes, [samples]."""
    counts = np.bincount(labels * classes + found, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def class_scores(counts: Counts) -> ClassScores:
    support, found, hits = counts.sum(axis=1), counts.sum(axis=0), np.diagonal(counts)
    with np.errstate(invalid="ignore"):
        return ClassScores(
            support=support,
            recall=hits / support,
            precision=hits / found,
            f1=2 * hits / (support + found),
        )


def balanced_accuracy(counts: Counts) -> float:
    """Mean recall of the classes that have samples."""
    return _mean_present(class_scores(counts).recall, counts)


def macro_f1(counts: Counts) -> float:
    """Mean F1 of the classes that have samples; F1 = 2 hits / (labelled + predicted)."""
    return _mean_present(class_scores(counts).f1, counts)


def _mean_present(values: npt.NDArray[np.float64], counts: Counts) -> float:
    return float(values[counts.sum(axis=1) > 0].mean())


def imbalance(labels: Labels) -> float:
    """Samples of the largest class over those of the smallest; absent classes do not count."""
    return support_ratio(np.unique(labels, return_counts=True)[1])


def support_ratio(support: npt.NDArray[np.int64]) -> float:
    """As `imbalance`, from the samples of each class."""
    present = support[support > 0]
    return float(present.max() / present.min())
