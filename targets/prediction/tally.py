"""Predictions against the classes that folders name: accuracy, and what is confused with what."""

from collections import Counter
from dataclasses import dataclass, field

from targets.evaluation.metrics import wilson_interval


@dataclass(kw_only=True)
class Tally:
    """Counts only: it grows with the pairs of classes, not with the pictures."""

    total: int = 0
    right: int = 0
    confusions: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(class, wrong prediction) -> number of pictures."""

    def add(self, *, label: int, predicted: int) -> None:
        self.total += 1
        self.right += label == predicted
        if label != predicted:
            self.confusions[label, predicted] += 1

    @property
    def accuracy(self) -> float:
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return wilson_interval(self.accuracy, self.total)
