"""The loss on labels: cross-entropy, weighted by class, smoothed, and none without a label."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.splits import UNLABELLED, Labels
from pipeline.losses.formulas import cross_entropy, weighted_cross_entropy
from targets.untyped import Tensor

LabelLoss = Callable[..., Tensor]
"""Called with `student=`, logits [batch, classes], and `labels=` [batch]."""


@dataclass(frozen=True, kw_only=True)
class WeightedLabels:
    """Cross-entropy of samples that do not count alike; those without a label do not count."""

    class_weights: tuple[float, ...]
    smoothing: float = 0.0

    def __call__(self, *, student: Tensor, labels: Tensor) -> Tensor:
        import tensorflow as tf

        by_class = tf.constant(self.class_weights, student.dtype)
        known = tf.cast(labels != UNLABELLED, student.dtype)
        weights = known * tf.gather(by_class, tf.maximum(labels, 0))
        return weighted_cross_entropy(
            student=student, labels=labels, weights=weights, smoothing=self.smoothing
        )


def label_loss(labels: Labels, classes: int, *, balanced: bool, smoothing: float) -> LabelLoss:
    """The loss on `labels`, those of the training samples.

    `balanced` gives every class the same total weight, and samples a mean weight of 1.
    """
    if not (balanced or smoothing or (labels == UNLABELLED).any()):
        return cross_entropy
    weights = balanced_weights(labels, classes) if balanced else (1.0,) * classes
    return WeightedLabels(class_weights=weights, smoothing=smoothing)


def balanced_weights(labels: Labels, classes: int) -> tuple[float, ...]:
    """n / (classes with samples * n_c); 0 for a class without samples."""
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    share = counts.sum() / (counts > 0).sum()
    return tuple((share / np.maximum(counts, 1) * (counts > 0)).tolist())
