"""Accuracy and fidelity from logits [samples, classes]: numpy and scipy only.

Scores of one column [samples, 1] are those of a binary classifier: above its threshold is class 1.
Scores that are not finite have no class: they raise `NotFiniteError` instead of counting as one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError

Logits = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]


ROUNDING = 1e-3
"""A quantized sigmoid's largest value is 255 steps of a rounded 1/255: a little above 1."""


class NotFiniteError(ProofError):
    """A model gave NaN or infinity, which no metric may read as a class."""


def require_finite(logits: Logits, *, model: str) -> None:
    """Raise `NotFiniteError` with the model's name, the sample, and how many there are."""
    bad = ~np.isfinite(logits).reshape(len(logits), -1).all(axis=1)
    if bad.any():
        raise NotFiniteError(
            f"{model}: {int(bad.sum())} of {len(logits)} samples give outputs that are not finite "
            f"(NaN or infinity), the first of them sample {int(bad.argmax())}. No class can be "
            "read from them, so that there is no accuracy and no agreement."
        )


def binary_threshold(scores: Logits) -> float:
    """Above which a single score [samples, 1] means class 1: 0.5 of probabilities, 0 of logits.

    Scores that all lie from 0 to 1, rounding aside, are probabilities. Take it from the reference
    and apply it to what is compared with it: a broken copy of a sigmoid must not choose its own
    threshold.
    """
    low, high = float(np.min(scores)), float(np.max(scores))
    return 0.5 if low >= -ROUNDING and high <= 1 + ROUNDING else 0.0


def predicted(scores: Logits, *, threshold: float | None = None) -> npt.NDArray[np.intp]:
    """The class of each sample, [samples]; `threshold` is for one column only."""
    require_finite(scores, model="scores")
    if scores.shape[1] == 1:
        limit = binary_threshold(scores) if threshold is None else threshold
        return (scores[:, 0] > limit).astype(np.intp)
    largest: npt.NDArray[np.intp] = scores.argmax(axis=1)
    return largest


def most_frequent_share(labels: Labels) -> float:
    """Accuracy of always naming the most frequent class: what a figure must be above."""
    _, counts = np.unique(labels, return_counts=True)
    return float(counts.max() / len(labels))


def shown_above_chance(share: float, labels: Labels) -> bool:
    """Whether an accuracy's 95 % interval lies above that of naming the most frequent class."""
    return wilson_interval(share, len(labels))[0] > most_frequent_share(labels)


def top1(logits: Logits, labels: Labels, *, threshold: float | None = None) -> float:
    """Share of samples whose class, by `predicted`, is the label's."""
    return float(np.mean(predicted(logits, threshold=threshold) == labels))


def wilson_interval(share: float, samples: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share: Wilson 1927."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * samples), samples).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def agreement(a: Logits, b: Logits) -> float:
    """Share of samples with the same class; of one column, by the threshold of `a`."""
    threshold = binary_threshold(a) if a.shape[1] == 1 else None
    same = predicted(a, threshold=threshold) == predicted(b, threshold=threshold)
    return float(np.mean(same))


def kl_divergence(*, reference: Logits, model: Logits) -> float:
    """Mean over samples of KL(softmax(reference) || softmax(model)), in nats."""
    log_p, log_q = _log_softmax(reference), _log_softmax(model)
    return float(np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1)))


def expected_calibration_error(logits: Logits, labels: Labels, bins: int = 15) -> float:
    """ECE: sum over bins of n_b/N |accuracy_b - confidence_b|. Guo et al. 2017, 1706.04599."""
    probabilities = np.exp(_log_softmax(logits))
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(np.sum(correct[index == b]) - np.sum(confidence[index == b])) for b in range(bins)]
    return float(np.sum(gaps) / len(labels))


def negative_flip_rate(*, before: Logits, after: Logits, labels: Labels) -> float:
    """Share of samples that `before` had right and `after` has wrong: Yan et al. 2021, 2011.09161.

    Equal accuracies can hide it: what one model loses another wins elsewhere.
    """
    return float(np.mean(right(before, labels) & ~right(after, labels)))


def worst_class_change(*, before: Logits, after: Logits, labels: Labels) -> tuple[float, int]:
    """The smallest change of a class's accuracy, `after` less `before`, and that class's index.

    Positive where every class gained. Classes without a sample do not count; the first of equals.
    """
    change = right(after, labels).astype(np.float64) - right(before, labels)
    classes = np.unique(labels)
    means = [float(change[labels == index].mean()) for index in classes]
    worst = int(np.argmin(means))
    return means[worst], int(classes[worst])


def right(logits: Logits, labels: Labels) -> npt.NDArray[np.bool_]:
    """Which samples' class is the label's, [samples]."""
    found: npt.NDArray[np.bool_] = predicted(logits) == labels
    return found


def _log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
