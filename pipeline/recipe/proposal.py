"""A recipe for a folder of pictures, with the reason for each value: pure functions.

The defaults for photos come from ten classes of clothing (3,068 training photos of 400 to 900
pixels; README, "Your own photos"), the times from two cores of an AMD EPYC with AVX-512 and VNNI.
Those for small pictures follow `fashion-mnist-long` and one training on CIFAR-10 (docs/data.md).
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from targets.errors import printable

SMALL = 64
"""Pictures of one size up to this side are trained as they are, by networks for small images."""
UNEVEN = 10.0
"""Ratio of the largest class to the smallest from which each class is drawn equally often."""
CUT = 0.35
"""Share of the area from which on a centre crop loses too much of a picture."""
VIEWS = 16

MANY = 10_000
"""Training pictures from which on batches are large."""

FEW_IMAGES = "more steps from few images"
BEST = "the epoch that was best on the validation split"
REGULAR = "against overfitting"
PASS = "one pass of the teacher each"
AS_LONG = "in the estimate of teacher.epochs"
THIRD = "the third was best on clothing photos"
"""Reasons that several keys share."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the folder and the machine hold."""

    path: str
    classes: Mapping[str, int]
    """Name -> labelled pictures, of all splits."""
    train: int
    """Training pictures, unlabelled ones included."""
    sides: Sequence[tuple[int, int]]
    """(width, height) of pictures."""
    cores: int

    @property
    def shorter(self) -> int:
        """Median of the shorter sides."""
        return int(_median([min(side) for side in self.sides]))

    @property
    def equal(self) -> bool:
        """Whether all pictures are square and of one size."""
        side = self.sides[0][0]
        return {*self.sides} == {(side, side)}

    @property
    def small_size(self) -> int | None:
        """The side for networks for small images; null for photos."""
        if self.equal and self.shorter <= SMALL:
            return self.shorter
        return max(24, self.shorter // 8 * 8) if self.shorter < SMALL else None

    @property
    def imbalance(self) -> float:
        return max(self.classes.values()) / min(self.classes.values())

    @property
    def cut(self) -> float:
        """Median share of the area that a centre crop cuts off."""
        return _median([1 - min(side) / max(side) for side in self.sides])


class Choice(NamedTuple):
    table: str
    key: str
    value: object
    reason: str


class Costs(NamedTuple):
    """Milliseconds per image on two cores: of training the teacher, of running it, and of training
    the student."""

    train_teacher_ms: float
    run_teacher_ms: float
    train_student_ms: float

    def minutes(self, found: Found, epochs: "Epochs") -> float:
        """An estimate of all stages up to the quantized network."""
        ms = (
            epochs.teacher * self.train_teacher_ms
            + epochs.views * self.run_teacher_ms
            + (epochs.student + QAT_AS_EPOCHS) * self.train_student_ms
        )
        return found.train * ms * 2 / found.cores / 60_000

    def at(self, *, teacher: float, student: float) -> "Costs":
        """With so many times the area of the images: a convolution's time is by area."""
        train, run, train_student = self
        return Costs(teacher * train, teacher * run, student * train_student)


class Epochs(NamedTuple):
    teacher: int
    student: int

    @property
    def views(self) -> int:
        return min(VIEWS, self.student)

    def share(self, share: float) -> "Epochs":
        return Epochs(*(max(n, int(share * own)) for n, own in zip(LEAST, self, strict=True)))


LEAST = Epochs(teacher=2, student=4)
"""With fewer a network learns nothing."""


class Sizes(NamedTuple):
    """Input sizes in pixels."""

    teacher: int
    student: int
    costs: Costs


PHOTO_SIZES = (
    Sizes(teacher=160, student=128, costs=Costs(18, 6, 11)),
    Sizes(teacher=128, student=96, costs=Costs(12, 4, 7)),
)
ENLARGED = 96
"""Side at which a network with ImageNet weights sees small pictures."""
ENLARGED_COSTS = Costs(7, 2.3, 0.8)
"""With that teacher and a student of 32x32 pixels."""
SMALL_COSTS = Costs(2.4, 0.6, 0.8)
"""Both networks at 32x32 pixels."""
QAT_AS_EPOCHS = 6
"""What calibration and three epochs of quantization-aware training cost in those of the student."""


def propose(found: Found, *, minutes: float) -> list[Choice]:
    """Every key of the recipe that differs from its default, in the order of the tables."""
    size = found.small_size
    networks = _photos(found, minutes) if size is None else _small(found, size, minutes)
    return [*_data(found), *networks]


def _data(found: Found) -> Iterator[Choice]:
    yield Choice("dataset", "name", "folder", f"{len(found.classes)} classes in folders or a table")
    yield Choice("dataset", "path", found.path, "relative to the folder that pipeline runs in")
    if not found.equal:
        fit, why = _fit(found)
        yield Choice("dataset", "fit", fit, why)


def _fit(found: Found) -> tuple[str, str]:
    share = f"the centre square lacks {found.cut:.0%} of the area of a typical picture"
    if found.cut < 0.005:
        return "crop", "the typical picture is square"
    return ("pad", f"{share}: grey bars in its place") if found.cut > CUT else ("crop", share)


def _flip(found: Found) -> Choice:
    signs = [n for n in found.classes if len(n) == 1 or n.isdecimal()]
    sided = [n for n in found.classes if {"left", "right"} & {*n.lower().replace("_", " ").split()}]
    named = sided or (signs if len(signs) > len(found.classes) / 2 else [])
    why = (
        f"a mirrored picture can have another label ({', '.join(named[:3])})"
        if named
        else "no class name speaks of left, right, digits or letters"
    )
    return Choice("augmentation", "flip", not named, why)


def _balance(found: Found, table: str) -> Iterator[Choice]:
    if found.imbalance >= UNEVEN:
        why = f"the largest class has {found.imbalance:.0f} times the pictures of the smallest"
        yield Choice(table, "balance", "sampling", why)


def _photos(found: Found, minutes: float) -> Iterator[Choice]:
    wished = Epochs(
        teacher=min(20, max(3, round(24_000 / found.train))),
        student=min(60, max(10, round(123_000 / found.train))),
    )
    fitting = (size for size in PHOTO_SIZES if _fits(size, found, wished, minutes))
    sizes = next(fitting, PHOTO_SIZES[-1])
    epochs, estimate = _within(sizes.costs, found, wished, minutes)
    yield Choice("dataset", "size", sizes.student, _shorter(found))
    yield Choice("augmentation", "crop", 0.35, "photos show their subject at any size and place")
    yield _flip(found)
    for key in ("brightness", "contrast", "saturation"):
        yield Choice("augmentation", key, 0.2, "light and cameras differ")
    yield Choice("teacher", "family", "efficientnet_lite0", "ReLU6 only: quantizes well")
    yield Choice("teacher", "weights", "imagenet", "fine-tuned: few photos suffice")
    yield Choice("teacher", "size", sizes.teacher, "sees the same crops as the student, larger")
    yield Choice("teacher", "epochs", epochs.teacher, estimate)
    yield Choice("teacher", "batch_size", 32, FEW_IMAGES)
    yield Choice("teacher", "learning_rate", 0.008, "fine-tuning, after the classifier is fitted")
    yield Choice("teacher", "label_smoothing", 0.1, "against wrong labels and too sure a teacher")
    yield Choice("teacher", "freeze_batch_norm", True, "batches are small")
    yield Choice("teacher", "frozen_share", 0.3, "the first layers stay: less time per step")
    yield Choice("teacher", "keep", "best", BEST)
    yield from _balance(found, "teacher")
    yield Choice("logits", "views", epochs.views, PASS)
    yield Choice("distill", "family", "efficientnet_lite0", "that of the teacher")
    yield Choice("distill", "width_multiplier", 0.65, "an int8 file of about 1.5 MB")
    yield Choice("distill", "depth", [1, 2, 2, 2, 2, 3, 1], "a block less in the long stages")
    yield Choice("distill", "head", 1024, "fewer bytes than the published 1,280")
    yield Choice("distill", "init", "teacher", "starts with a subset of the teacher's weights")
    yield Choice("distill", "epochs", epochs.student, AS_LONG)
    yield Choice("distill", "batch_size", 32, FEW_IMAGES)
    yield Choice("distill", "learning_rate", 0.12, "high, as the epochs are few")
    yield Choice("distill", "weight_decay", 1e-4, REGULAR)
    yield Choice("distill", "keep", "best", BEST)
    yield from _balance(found, "distill")
    yield Choice("quantize", "epochs", 3, THIRD)
    yield Choice("quantize", "batch_size", 32, FEW_IMAGES)
    yield Choice("quantize", "keep", "best", BEST)


def _shorter(found: Found) -> str:
    return f"the median shorter side is {found.shorter} pixels"


def _fits(sizes: Sizes, found: Found, epochs: Epochs, minutes: float) -> bool:
    return found.shorter >= sizes.student and sizes.costs.minutes(found, epochs) <= minutes


def _within(costs: Costs, found: Found, epochs: Epochs, minutes: float) -> tuple[Epochs, str]:
    """The largest share of `epochs` that the time allows, and what it is estimated to take."""
    shares = (epochs.share(percent / 100) for percent in range(100, -1, -1))
    kept = next((e for e in shares if costs.minutes(found, e) <= minutes), LEAST)
    estimate = costs.minutes(found, kept)
    cores = f"{found.cores} core{'s' if found.cores > 1 else ''}"
    least = ", the least that learns" if estimate > minutes else ""
    why = f"{found.train:,} training pictures: about {estimate:.0f} minutes on {cores}{least}"
    return kept, why


def _small(found: Found, size: int, minutes: float) -> Iterator[Choice]:
    why = "all pictures have this size" if found.equal else _shorter(found)
    yield Choice("dataset", "size", size, why)
    yield _flip(found)
    students = min(60, max(20, round(2_700_000 / found.train)))
    tuned = Epochs(teacher=min(20, max(4, round(300_000 / found.train))), student=students)
    area = (size / 32) ** 2
    costs = ENLARGED_COSTS.at(teacher=1, student=area)
    batch = Batch(128, "many images") if found.train >= MANY else Batch(32, FEW_IMAGES)
    if costs.minutes(found, tuned) <= minutes:
        epochs, estimate = _within(costs, found, tuned, minutes)
        yield from _enlarged_teacher(epochs, estimate, batch)
    else:
        wished = Epochs(min(60, max(20, round(1_080_000 / found.train))), students)
        costs = SMALL_COSTS.at(teacher=area, student=area)
        epochs, estimate = _within(costs, found, wished, minutes)
        yield from _small_teacher(size, epochs, estimate, batch)
    yield from _balance(found, "teacher")
    yield Choice("logits", "views", epochs.views, PASS)
    yield Choice("distill", "family", "resnet", "few channels: most bytes of the file are weights")
    yield Choice("distill", "widths", [16, 24, 40], "an int8 file of about 100 kB")
    yield Choice("distill", "full_size_blocks", 1, "accuracy for few bytes")
    yield Choice("distill", "epochs", epochs.student, AS_LONG)
    yield Choice("distill", "batch_size", *batch)
    yield Choice("distill", "learning_rate", 0.2, "a small network")
    yield Choice("distill", "weight_decay", 0.001, REGULAR)
    yield from _balance(found, "distill")
    yield Choice("quantize", "epochs", 3, THIRD)
    yield Choice("quantize", "batch_size", *batch)
    yield Choice("quantize", "keep", "best", BEST)


class Batch(NamedTuple):
    size: int
    reason: str


def _enlarged_teacher(epochs: Epochs, estimate: str, batch: Batch) -> Iterator[Choice]:
    yield Choice("augmentation", "crop", 0.6, "the subject fills a small picture")
    yield Choice("teacher", "family", "efficientnet_lite0", "it has ImageNet weights")
    yield Choice("teacher", "weights", "imagenet", "better than a teacher trained here")
    yield Choice("teacher", "size", ENLARGED, "its weights are for larger pictures")
    yield Choice("teacher", "epochs", epochs.teacher, estimate)
    yield Choice("teacher", "batch_size", min(64, batch.size), "fine-tuning takes many steps")
    yield Choice("teacher", "learning_rate", 0.02, "fine-tuning, after the classifier is fitted")
    yield Choice("teacher", "freeze_batch_norm", True, "less time per step")
    yield Choice("teacher", "frozen_share", 0.3, "the first layers stay: less time per step")
    yield Choice("teacher", "keep", "best", BEST)


def _small_teacher(size: int, epochs: Epochs, estimate: str, batch: Batch) -> Iterator[Choice]:
    yield Choice("augmentation", "shift", size // 8, "4 of 32 pixels: He et al. 2015")
    yield Choice("teacher", "family", "resnet", "quick; ImageNet weights would take more time")
    yield Choice("teacher", "widths", [32, 64, 128], "661k parameters, quick on a CPU")
    yield Choice("teacher", "epochs", epochs.teacher, estimate)
    yield Choice("teacher", "batch_size", *batch)
    yield Choice("teacher", "weight_decay", 0.005, REGULAR)
    yield Choice("teacher", "cutout", size // 4, "against overfitting, in a long training")


def toml(name: str, choices: Sequence[Choice], *, head: Sequence[str]) -> str:
    """The recipe file: the lines of `head` as comments, and each reason beside its line."""
    order = list(dict.fromkeys(choice.table for choice in choices))
    by_table = sorted(choices, key=lambda choice: order.index(choice.table))
    lines = [f"# {printable(line)}".rstrip() for line in head]
    lines += ['schema = "recipe/1"', f"name = {json.dumps(name)}"]
    for table, group in groupby(by_table, key=lambda choice: choice.table):
        lines += ["", f"[{table}]", *map(_line, group)]
    return "\n".join(lines) + "\n"


def _line(choice: Choice) -> str:
    # TOML takes all of JSON's strings but for one character that JSON leaves as it is.
    value = json.dumps(choice.value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{choice.key} = {value}  # {printable(choice.reason)}"


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def name_of(folder: Path) -> str:
    """The name of the recipe: that of the folder, as a file name can hold it."""
    # Not resolved: a link is called what the user calls it.
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(os.path.abspath(folder)).name).strip("-._")  # noqa: PTH100
    return kept[:80] or "photos"
