"""A data set: samples in three roles that are never mixed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import (
    JoinedPictures,
    JoinedSamples,
    MappedSamples,
    Pictures,
    Raw,
    mapped,
)
from targets.errors import InputError
from targets.formats.input_kinds import WORDS, Words
from targets.formats.input_spec import InputSpec, Kind, image_input
from targets.images.preprocessing import Preprocessing
from targets.texts.tokenizer import Tokenizer

if TYPE_CHECKING:
    from targets.sounds.windowing import Windowing

Labels = npt.NDArray[np.int64]


class Split(StrEnum):
    """A role. Training and calibration use TRAIN, decisions use VAL, only measurements use TEST."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


UNLABELLED = -1
"""The label of a sample without one."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    raw: Raw
    """[samples, *input.shape], in the type of `Dataset.input`; may be `MappedSamples`."""
    labels: Labels
    """Class indices, [samples]."""
    pictures: Pictures | None = None
    """Where the images were made from larger pictures: those, in the same order."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[np.int64]) -> "Samples":
        held = cast("Raw | MappedSamples", self.raw)
        raw = held.pick(index) if isinstance(held, MappedSamples) else held[index]
        pictures = None if self.pictures is None else self.pictures.pick(index)
        return Samples(raw=raw, labels=self.labels[index], pictures=pictures)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    name: str
    classes: tuple[str, ...]
    splits: Mapping[Split, Samples]
    sha256: str
    unlabelled: Samples | None = None
    """Samples without labels, for the distillation; their labels are `UNLABELLED`."""
    preprocessing: Preprocessing | None = None
    """How an image was made of a picture file; None where the data are arrays."""
    spec: InputSpec | None = None
    """One sample; None for images as they are in the splits."""
    windowing: "Windowing | None" = None
    """How a waveform was made of a sound file."""
    noise: Mapping[Split, Raw] | None = None
    """Background sounds for each split, [samples] each: those of TRAIN may be mixed into training
    waveforms."""
    tokenizer: Tokenizer | None = None
    """How texts became tokens; None for data of other kinds."""

    @property
    def input(self) -> InputSpec:
        shape = self.splits[Split.TRAIN].raw.shape[1:]
        return image_input(*shape) if self.spec is None else self.spec

    @property
    def words(self) -> Words:
        """What a person calls the samples."""
        return WORDS[self.input.kind]

    def __getitem__(self, split: Split) -> Samples:
        return self.splits[split]

    def for_distillation(self) -> "Dataset":
        """With the unlabelled samples behind the training samples; nothing is read.

        The teacher, calibration and the measured splits use the data set as it is.
        """
        if self.unlabelled is None:
            return self
        train = joined(self.splits[Split.TRAIN], self.unlabelled)
        return replace(self, splits={**self.splits, Split.TRAIN: train}, unlabelled=None)


def joined(first: Samples, second: Samples) -> Samples:
    """The samples of both, one after the other; both are read on access."""
    pictures = None
    if first.pictures is not None and second.pictures is not None:
        pictures = JoinedPictures(
            first.pictures, second.pictures, np.arange(len(first) + len(second))
        )
    return Samples(
        raw=mapped(cast(Raw, JoinedSamples(first.raw, second.raw))),
        labels=np.concatenate([first.labels, second.labels]),
        pictures=pictures,
    )


def hold_out(
    samples: Samples, share: float, *, seed: int, name: str, kind: Kind = "image"
) -> tuple[Samples, Samples]:
    """`samples` as (rest, held out), stratified by label; the same for the same seed."""
    count, many = math.ceil(share * len(samples)), WORDS[kind].many
    sizes = np.bincount(samples.labels)
    why = _too_few(sizes, min(count, len(samples) - count))
    if why:
        raise InputError(
            f"data set {name}: {len(samples)} {many} cannot be split with a share of {share:g} "
            f"held out by class ({why}). Give more {many} of every class, or a larger share."
        )
    return _parted(samples, count, seed)


def _too_few(sizes: npt.NDArray[np.int64], smaller: int) -> str | None:
    if 1 in sizes:
        return f"class {int((sizes == 1).argmax())} has only one"
    classes = int((sizes > 0).sum())
    return f"{classes} classes, and {smaller} in the smaller part" if smaller < classes else None


def _parted(samples: Samples, count: int, seed: int) -> tuple[Samples, Samples]:
    """(rest, `count` held-out samples), both in the order of `samples`."""
    from sklearn.model_selection import train_test_split

    rest, held = train_test_split(
        np.arange(len(samples)), test_size=count, stratify=samples.labels, random_state=seed
    )
    return samples.take(np.sort(rest)), samples.take(np.sort(held))


def three_way(
    samples: Samples,
    *,
    validation: float,
    test: float,
    seed: int,
    name: str,
    classes: tuple[str, ...] | None = None,
    kind: Kind = "image",
) -> dict[Split, Samples]:
    """All of `samples` as training, validation and test split, stratified by label.

    Raises `InputError` where a class has too few samples to be in each of them.
    """
    if validation + test >= 1:
        raise InputError(
            f"dataset.validation {validation:g} and dataset.test {test:g} leave nothing to train "
            "on: their sum must be below 1."
        )
    tested = math.ceil(test * len(samples))
    validated = math.ceil(validation / (1 - test) * (len(samples) - tested))
    sizes = {Split.TEST: tested, Split.VAL: validated}
    sizes[Split.TRAIN] = len(samples) - tested - validated
    _require_room(samples.labels, sizes, name, WORDS[kind])
    _require_each_class(samples.labels, sizes, name, classes, WORDS[kind])
    rest, test_part = _parted(samples, tested, seed)
    train_part, val_part = _parted(rest, validated, seed)
    return {Split.TRAIN: train_part, Split.VAL: val_part, Split.TEST: test_part}


def _require_room(labels: Labels, sizes: Mapping[Split, int], name: str, words: Words) -> None:
    """No split is smaller than the number of classes."""
    smallest, classes = min(sizes, key=lambda part: sizes[part]), len(np.unique(labels))
    if sizes[smallest] < classes:
        raise InputError(
            f"data set {name}: {len(labels)} {words.many} of {classes} classes cannot be split: "
            f"{sizes[smallest]} are left for the split '{smallest}', which needs one of each class "
            f"at least. Give more {words.many} of every class, or other shares "
            "(dataset.validation, dataset.test)."
        )


def _require_each_class(
    labels: Labels,
    sizes: Mapping[Split, int],
    name: str,
    classes: tuple[str, ...] | None,
    words: Words,
) -> None:
    """Each class has enough images for training to get one, though both splits round down."""
    rest = sizes[Split.TRAIN] + sizes[Split.VAL]
    of_rest = max(2, math.ceil(rest / sizes[Split.TRAIN]))
    needed = math.ceil(of_rest * len(labels) / rest)
    counts = np.bincount(labels)
    few = np.flatnonzero((counts > 0) & (counts < needed))
    if len(few):
        label = int(few[counts[few].argmin()])
        known = f" ('{classes[label]}')" if classes and classes[label] != str(label) else ""
        more = f" ({len(few)} classes have too few)" if len(few) > 1 else ""
        raise InputError(
            f"data set {name}: class {label}{known} has {counts[label]} of the {len(labels)} "
            f"{words.many}{more}, and cannot be split: it needs {needed} at least. Give more "
            f"{words.many} of it, or leave the class out."
        )
