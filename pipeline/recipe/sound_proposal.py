"""A recipe for a folder of sounds, with the reason for each value: pure functions.

The networks, rates and epochs are those of spoken digits (docs/sounds.md), the times from two cores
of an AMD EPYC beside other jobs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.recipe.proposal import BEST, PASS, UNEVEN, Choice

TEACHER, STUDENT = "crnn", "ds_cnn"
VIEWS = 8
WINDOWS_S = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Lengths of clips that are proposed."""
RATES = (8000, 16_000)
FRAMES_OF_A_SECOND = 49


@dataclass(frozen=True, kw_only=True)
class FoundSounds:
    """What the folder and the machine hold."""

    path: str
    classes: Mapping[str, int]
    """Name -> labelled sounds, of all splits."""
    train: int
    """Training sounds, unlabelled ones included."""
    rate: int
    """Samples per second of most files."""
    long: float
    """Seconds that 95 % of the sounds are not longer than."""
    pattern: tuple[str, str] | None
    """What the names say, and why that is thought."""
    recordings: int
    """Of background noise."""
    cores: int

    @property
    def imbalance(self) -> float:
        return max(self.classes.values()) / min(self.classes.values())

    @property
    def seconds(self) -> float:
        """Length of the clips."""
        return next((length for length in WINDOWS_S if length >= self.long), WINDOWS_S[-1])


class Epochs(NamedTuple):
    teacher: int
    student: int

    @property
    def views(self) -> int:
        return min(VIEWS, self.student)

    def minutes(self, found: FoundSounds) -> float:
        """An estimate of all stages up to the quantized network."""
        ms = (
            self.teacher * TRAIN_TEACHER_MS
            + self.views * RUN_TEACHER_MS
            + (self.student + QAT_AS_EPOCHS) * TRAIN_STUDENT_MS
        )
        return found.train * found.seconds * ms * 2 / found.cores / 60_000

    def share(self, share: float) -> "Epochs":
        return Epochs(*(max(n, int(share * own)) for n, own in zip(LEAST, self, strict=True)))


LEAST = Epochs(teacher=2, student=4)
"""With fewer a network learns nothing."""
TRAIN_TEACHER_MS, RUN_TEACHER_MS, TRAIN_STUDENT_MS = 4.0, 1.2, 3.5
"""Per second of sound on two cores."""
QAT_AS_EPOCHS = 5
"""What calibration and two epochs of quantization-aware training cost in those of the student."""


def propose_sounds(found: FoundSounds, *, minutes: float) -> list[Choice]:
    """Every key of the recipe that differs from its default, in the order of the tables."""
    return [*_data(found), *_views(found), *_networks(found, minutes)]


def _data(found: FoundSounds) -> Iterator[Choice]:
    yield Choice("dataset", "name", "sounds", f"{len(found.classes)} classes of sounds")
    yield Choice("dataset", "path", found.path, "relative to the folder that pipeline runs in")
    if found.pattern is not None:
        yield Choice("dataset", "pattern", *found.pattern)
    rate = next((rate for rate in RATES if rate >= found.rate), RATES[-1])
    why = "speech needs no more" if found.rate > rate else "more is in no file"
    yield Choice("dataset", "rate", rate, f"most files have {found.rate:,} Hz; {why}")
    why = f"95 % of the sounds are up to {found.long:.2f} s long"
    yield Choice("dataset", "seconds", found.seconds, f"{why}; of longer ones the middle is taken")


def _views(found: FoundSounds) -> Iterator[Choice]:
    what = "background recordings, and " if found.recordings else ""
    why = f"{what}white, pink and brown noise, so many decibels below the clip"
    yield Choice("augmentation", "noise", [5, 40], why)
    yield Choice("augmentation", "tempo", [0.8, 1.25], "other voices: it changes the pitch too")


def _networks(found: FoundSounds, minutes: float) -> Iterator[Choice]:
    epochs, estimate = _within(found, minutes)
    yield Choice("teacher", "family", TEACHER, "convolutions and GRUs: trains in minutes")
    yield Choice("teacher", "optimizer", "adam", "for recurrent layers")
    yield Choice("teacher", "learning_rate", 0.002, "usual for adam and this size")
    yield Choice("teacher", "epochs", epochs.teacher, estimate)
    yield Choice("teacher", "keep", "best", BEST)
    yield from _balance(found, "teacher")
    yield Choice("logits", "views", epochs.views, PASS)
    yield Choice("distill", "family", STUDENT, "MLPerf Tiny's network: 24 thousand parameters")
    yield Choice("distill", "epochs", epochs.student, "in the estimate of teacher.epochs")
    yield Choice("distill", "learning_rate", 0.05, "a small network")
    yield Choice("distill", "keep", "best", BEST)
    yield from _balance(found, "distill")
    yield Choice("quantize", "keep", "best", BEST)


def _balance(found: FoundSounds, table: str) -> Iterator[Choice]:
    if found.imbalance >= UNEVEN:
        why = f"the largest class has {found.imbalance:.0f} times the sounds of the smallest"
        yield Choice(table, "balance", "sampling", why)


def _within(found: FoundSounds, minutes: float) -> tuple[Epochs, str]:
    """As many epochs as few sounds need or the time allows, and what they are estimated to take."""
    wished = Epochs(
        teacher=min(30, max(5, round(24_000 / found.train))),
        student=min(60, max(8, round(32_000 / found.train))),
    )
    shares = (wished.share(percent / 100) for percent in range(100, 0, -1))
    kept = next((e for e in shares if e.minutes(found) <= minutes), LEAST)
    cores = f"{found.cores} core{'s' if found.cores > 1 else ''}"
    about = max(1, round(kept.minutes(found)))
    least = ", the least that learns" if kept.minutes(found) > minutes else ""
    return kept, f"{found.train:,} training sounds: about {about} minutes on {cores}{least}"
