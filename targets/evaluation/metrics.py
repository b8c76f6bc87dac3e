"""Accuracy and fidelity from logits [samples, classes].

Scores of one column [samples, 1] belong to a binary classifier: class 1 is above its threshold.
Scores that are not finite raise `NotFiniteError` instead of counting as a class.
"""

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError

Logits = npt.NDArray[np.float32 | np.float64]
Labels = npt.NDArray[np.int32 | np.int64]

ROUNDING = 1e-3
"""A quantized sigmoid's largest value is 255 steps of a rounded 1/255: a little above 1."""


class NotFiniteError(ProofError):
    """A model's outputs hold NaN or infinity, which no metric may count as a class."""


def require_finite(logits: Logits, *, model: str) -> None:
    """Raise `NotFiniteError` with the model's name, the first such sample and their number."""
    bad = ~np.isfinite(logits).reshape(len(logits), -1).all(axis=1)
    if bad.any():
        raise NotFiniteError(
            f"{model}: {int(bad.sum())} of {len(logits)} samples give outputs that are not finite "
            f"(NaN or infinity), the first of them sample {int(bad.argmax())}. No class can be "
            "read from them, so that there is no accuracy and no agreement."
        )


def from_0_to_1(scores: Logits) -> bool:
    """Whether all scores lie in [0, 1], up to `ROUNDING`, as probabilities do."""
    return bool(np.min(scores) >= -ROUNDING and np.max(scores) <= 1 + ROUNDING)


def binary_threshold(scores: Logits) -> float:
    """The threshold of single scores [samples, 1]: 0.5 for probabilities, 0 for logits.

    Take the threshold from the reference and apply it to its copies: a broken copy of a sigmoid
    must not choose its own.
    """
    return 0.5 if from_0_to_1(scores) else 0.0


def predicted(scores: Logits, *, threshold: float | None = None) -> npt.NDArray[np.intp]:
    """The class of each sample, [samples]; `threshold` applies to scores of one column only."""
    require_finite(scores, model="scores")
    if scores.shape[1] == 1:
        limit = binary_threshold(scores) if threshold is None else threshold
        return (scores[:, 0] > limit).astype(np.intp)
    largest: npt.NDArray[np.intp] = scores.argmax(axis=1)
    return largest


def most_frequent_share(labels: Labels) -> float:
    """Accuracy of the classifier that always predicts the most frequent class."""
    _, counts = np.unique(labels, return_counts=True)
    return float(counts.max() / len(labels))


def shown_above_chance(share: float, labels: Labels) -> bool:
    """Whether the 95 % interval of an accuracy lies above `most_frequent_share`."""
    return wilson_interval(share, len(labels))[0] > most_frequent_share(labels)


def top1(logits: Logits, labels: Labels, *, threshold: float | None = None) -> float:
    """Accuracy: the share of samples whose `predicted` class is the label."""
    return float(np.mean(predicted(logits, threshold=threshold) == labels))


def wilson_interval(share: float, samples: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion: Wilson 1927, Journal of the American Statistical Association
    22(158)."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * samples), samples).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def agreement(a: Logits, b: Logits) -> float:
    """Share of samples with the same class; scores of one column use the threshold of `a`."""
    threshold = binary_threshold(a) if a.shape[1] == 1 else None
    same = predicted(a, threshold=threshold) == predicted(b, threshold=threshold)
    return float(np.mean(same))


def kl_divergence(*, reference: Logits, model: Logits) -> float:
    """Mean over samples of KL(softmax(reference) || softmax(model)), in nats."""
    from scipy.special import log_softmax

    log_p = log_softmax(reference.astype(np.float64), axis=1)
    log_q = log_softmax(model.astype(np.float64), axis=1)
    return float(np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1)))


def expected_calibration_error(logits: Logits, labels: Labels, bins: int = 15) -> float:
    """ECE: sum over bins of n_b/N |accuracy_b - confidence_b|. Guo et al. 2017, 1706.04599."""
    return calibration_error(confidence(logits), logits.argmax(axis=1) == labels, bins=bins)


def confidence(logits: Logits) -> npt.NDArray[np.float64]:
    """The largest probability of each sample, [samples]."""
    from scipy.special import softmax

    largest: npt.NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1).max(axis=1)
    return largest


def calibration_error(
    shares: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """As `expected_calibration_error`, of confidences and whether each sample is right."""
    index = np.minimum((shares * bins).astype(int), bins - 1)
    gaps = np.bincount(index, weights=correct - shares, minlength=bins)
    return float(np.abs(gaps).sum() / len(shares))


def negative_flip_rate(*, before: Logits, after: Logits, labels: Labels) -> float:
    """Share of samples that `before` classifies correctly and `after` does not.

    Equal accuracies can hide such flips. Source: Yan et al. 2021, arXiv 2011.09161.
    """
    return float(np.mean(right(before, labels) & ~right(after, labels)))


def worst_class_change(*, before: Logits, after: Logits, labels: Labels) -> tuple[float, int]:
    """(change, class): the smallest change of a class's accuracy from `before` to `after`.

    Positive if every class gained. Classes without samples do not count; of equal changes the first
    class is returned.
    """
    change = right(after, labels).astype(np.float64) - right(before, labels)
    classes = np.unique(labels)
    means = [float(change[labels == index].mean()) for index in classes]
    worst = int(np.argmin(means))
    return means[worst], int(classes[worst])


def right(logits: Logits, labels: Labels) -> npt.NDArray[np.bool_]:
    """Which samples are classified correctly, [samples]."""
    found: npt.NDArray[np.bool_] = predicted(logits) == labels
    return found
