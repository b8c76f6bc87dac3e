"""A recipe for a file of texts, with the reason for each value: pure functions.

The rates and times are those of TREC's 4,631 training questions of 28 tokens (docs/texts.md). There
`balance = "sampling"` cost two points on the validation split, with 14 times the texts in the
largest class: it is not proposed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.recipe.proposal import BEST, PASS, Choice

TEACHER, STUDENT = "kim_cnn", "ds_cnn_1d"
VIEWS = 8


@dataclass(frozen=True, kw_only=True)
class FoundTexts:
    """What the file and the machine hold."""

    path: str
    columns: Mapping[str, str]
    """`text`, `label` and perhaps `split` -> name of the column."""
    encoding: str
    train: int
    """Training texts."""
    length: int
    """Words of 99 % of them, at most."""
    cores: int


class Epochs(NamedTuple):
    teacher: int
    student: int

    def minutes(self, found: FoundTexts) -> float:
        """An estimate of all stages up to the quantized network."""
        ms = (
            self.teacher * TRAIN_TEACHER_MS
            + VIEWS * RUN_TEACHER_MS
            + (self.student + QAT_AS_EPOCHS) * TRAIN_STUDENT_MS
        )
        return found.train * found.length * ms * 2 / found.cores / 60_000

    def share(self, share: float) -> "Epochs":
        return Epochs(*(max(2, int(share * own)) for own in self))


TRAIN_TEACHER_MS, RUN_TEACHER_MS, TRAIN_STUDENT_MS = 0.03, 0.005, 0.012
"""Per token on two cores; padding counts."""
QAT_AS_EPOCHS = 6
"""What calibration and two epochs of quantization-aware training cost in those of the student."""


def propose_texts(found: FoundTexts, *, minutes: float) -> list[Choice]:
    """The keys that differ from their defaults, or that texts are most changed by."""
    return [*_data(found), *_networks(found, minutes)]


def _data(found: FoundTexts) -> Iterator[Choice]:
    yield Choice("dataset", "name", "texts", "a text and its class on each line")
    yield Choice("dataset", "path", found.path, "relative to the folder that pipeline runs in")
    for role, column in found.columns.items():
        yield Choice("dataset", f"{role}_column", column, f"the column of the {role}")
    if found.encoding != "utf-8":
        why = "the file is not UTF-8: check letters with accents, this is a guess"
        yield Choice("dataset", "encoding", found.encoding, why)
    why = 'those that training texts have twice; "wordpiece" for many rare or long words'
    yield Choice("dataset", "tokens", "words", why)


def _networks(found: FoundTexts, minutes: float) -> Iterator[Choice]:
    epochs, estimate = _within(found, minutes)
    yield Choice("augmentation", "drop", 0.1, "users write words that are in no vocabulary")
    yield Choice("augmentation", "delete", 0.05, "and leave some out")
    yield Choice("teacher", "family", TEACHER, "Kim 2014; trains in minutes")
    yield Choice("teacher", "epochs", epochs.teacher, estimate)
    yield Choice("teacher", "learning_rate", 0.05, "Adam at 0.001 was two points worse on TREC")
    yield Choice("teacher", "keep", "best", BEST)
    yield Choice("logits", "views", VIEWS, PASS)
    yield Choice("distill", "family", STUDENT, "an int8 file of about 300 kB, most of it words")
    yield Choice("distill", "epochs", epochs.student, "in the estimate of teacher.epochs")
    yield Choice("distill", "temperature", 2, "0.7 points better than 4 on TREC (two seeds)")
    yield Choice("distill", "keep", "best", BEST)
    yield Choice("quantize", "keep", "best", BEST)


def _within(found: FoundTexts, minutes: float) -> tuple[Epochs, str]:
    """As many epochs as few texts need or the time allows, and what they are estimated to take."""
    wished = Epochs(
        teacher=min(30, max(5, round(56_000 / found.train))),
        student=min(60, max(8, round(93_000 / found.train))),
    )
    shares = (wished.share(percent / 100) for percent in range(100, 0, -1))
    kept = next((e for e in shares if e.minutes(found) <= minutes), wished.share(0))
    cores = f"{found.cores} core{'s' if found.cores > 1 else ''}"
    about = max(1, round(kept.minutes(found)))
    return kept, f"{found.train:,} training texts: about {about} minutes on {cores}"
