"""Predictions against the classes that a user names: accuracy, and what is confused with what."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from targets.evaluation.confusion import Counts
from targets.evaluation.metrics import wilson_interval


@dataclass(kw_only=True)
class Tally:
    """Counts only: it grows with the pairs of classes, not with the samples."""

    counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(class, prediction) -> number of samples."""

    unknown: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Those of them that are unknown."""

    def add(self, *, label: int, predicted: int, unknown: bool = False) -> None:
        self.counts[label, predicted] += 1
        self.unknown[label, predicted] += unknown

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def right(self) -> int:
        return sum(n for (label, predicted), n in self.counts.items() if label == predicted)

    @property
    def confusions(self) -> Counter[tuple[int, int]]:
        """(class, wrong prediction) -> number of samples."""
        return Counter({pair: n for pair, n in self.counts.items() if pair[0] != pair[1]})

    @property
    def accuracy(self) -> float:
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return wilson_interval(self.accuracy, self.total)

    @property
    def accepted(self) -> int:
        """The samples that are not unknown."""
        return self.total - self.unknown.total()

    @property
    def accepted_right(self) -> int:
        return self.right - sum(n for (label, found), n in self.unknown.items() if label == found)

    def matrix(self, classes: int) -> Counts:
        """The counts, [class, prediction]."""
        counts = np.zeros((classes, classes), np.int64)
        for pair, number in self.counts.items():
            counts[pair] = number
        return counts
