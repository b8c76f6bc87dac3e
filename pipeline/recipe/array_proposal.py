"""A recipe for a file of arrays, with the reason for each value: pure functions.

The networks and rates are those of the recipe `gestures`, the times from two cores of an AMD
EPYC beside other jobs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from pipeline.recipe.proposal import BEST, PASS, UNEVEN, Choice

TEACHER, OF_NO_SERIES, STUDENT = "crnn", "resnet", "ds_cnn"
LONG = 500
"""Steps from which on a GRU takes too much time, one after the other."""


@dataclass(frozen=True, kw_only=True)
class FoundArrays:
    """What the file and the machine hold."""

    path: str
    shape: tuple[int, ...]
    """Of a sample."""
    classes: Mapping[str, int]
    """Name -> samples, of all splits."""
    train: int
    """Training samples."""
    cores: int

    @property
    def imbalance(self) -> float:
        return max(self.classes.values()) / min(self.classes.values())

    @property
    def is_series(self) -> bool:
        return len(self.shape) < 3


class Epochs(NamedTuple):
    teacher: int
    student: int

    def minutes(self, found: FoundArrays) -> float:
        """An estimate of all stages up to the quantized network."""
        us = self.teacher * TRAIN_TEACHER_US + (self.student + QAT_AS_EPOCHS) * TRAIN_STUDENT_US
        places = found.shape[0] if found.is_series else prod(found.shape[:2])
        return found.train * places * us * 2 / found.cores / 60e6

    def share(self, share: float) -> "Epochs":
        return Epochs(*(max(n, int(share * own)) for n, own in zip(LEAST, self, strict=True)))


LEAST = Epochs(teacher=2, student=4)
"""With fewer a network learns nothing."""
TRAIN_TEACHER_US, TRAIN_STUDENT_US = 30.0, 6.0
"""Per step of a series, or place of a map, on two cores."""
QAT_AS_EPOCHS = 8
"""What the teacher's passes, calibration and two epochs of quantization-aware training cost in
epochs of the student."""


def propose_arrays(found: FoundArrays, *, minutes: float) -> list[Choice]:
    """The keys that differ from their defaults, in the order of the tables."""
    return [*_data(found), *_networks(found, minutes)]


def _data(found: FoundArrays) -> Iterator[Choice]:
    yield Choice("dataset", "name", "arrays", "float values and labels in an .npz")
    yield Choice("dataset", "path", found.path, "relative to the folder that pipeline runs in")
    if len(found.shape) == 1:
        why = 'one quantity over time; "features" if each column is a quantity of its own'
        yield Choice("dataset", "layout", "series", why)


def _networks(found: FoundArrays, minutes: float) -> Iterator[Choice]:
    epochs, estimate = _within(found, minutes)
    yield from _teacher(found)
    yield Choice("teacher", "epochs", epochs.teacher, estimate)
    yield Choice("teacher", "keep", "best", BEST)
    yield from _balance(found, "teacher")
    yield Choice("logits", "views", 1, f"{PASS}; the views of arrays are the arrays themselves")
    yield Choice("distill", "family", STUDENT, "separable convolutions over the first axis")
    yield Choice("distill", "epochs", epochs.student, "in the estimate of teacher.epochs")
    yield Choice("distill", "learning_rate", 0.05, "a small network")
    yield Choice("distill", "keep", "best", BEST)
    yield from _balance(found, "distill")
    yield Choice("quantize", "keep", "best", BEST)


def _teacher(found: FoundArrays) -> Iterator[Choice]:
    if found.is_series and found.shape[0] <= LONG:
        yield Choice("teacher", "family", TEACHER, "convolutions and GRUs over time")
        yield Choice("teacher", "optimizer", "adam", "for recurrent layers")
        yield Choice("teacher", "learning_rate", 0.002, "usual for adam and this size")
    else:
        why = "so many steps take a GRU too long" if found.is_series else "convolutions over a map"
        yield Choice("teacher", "family", OF_NO_SERIES, why)


def _balance(found: FoundArrays, table: str) -> Iterator[Choice]:
    if found.imbalance >= UNEVEN:
        why = f"the largest class has {found.imbalance:.0f} times the samples of the smallest"
        yield Choice(table, "balance", "sampling", why)


def _within(found: FoundArrays, minutes: float) -> tuple[Epochs, str]:
    """As many epochs as few samples need or the time allows, and what they are estimated to
    take."""
    wished = Epochs(
        teacher=min(30, max(6, round(24_000 / found.train))),
        student=min(60, max(10, round(40_000 / found.train))),
    )
    shares = (wished.share(percent / 100) for percent in range(100, 0, -1))
    kept = next((e for e in shares if e.minutes(found) <= minutes), LEAST)
    cores = f"{found.cores} core{'s' if found.cores > 1 else ''}"
    about = max(1, round(kept.minutes(found)))
    least = ", the least that learns" if kept.minutes(found) > minutes else ""
    return kept, f"{found.train:,} training samples: about {about} minutes on {cores}{least}"
