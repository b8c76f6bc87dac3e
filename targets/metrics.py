"""Accuracy and fidelity from logits [samples, classes]: numpy and scipy only."""

from typing import Any

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]


def top1(logits: Logits, labels: Labels) -> float:
    """Share of samples whose largest logit is the label's."""
    return float(np.mean(right(logits, labels)))


def wilson_interval(share: float, samples: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share: Wilson 1927."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * samples), samples).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def agreement(a: Logits, b: Logits) -> float:
    """Share of samples with the same top-1 label."""
    return float(np.mean(a.argmax(axis=1) == b.argmax(axis=1)))


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
    """Which samples' largest logit is the label's, [samples]."""
    found: npt.NDArray[np.bool_] = logits.argmax(axis=1) == labels
    return found


def _log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
