"""What every data set gives: samples in three roles that are never mixed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from targets.errors import InputError
from targets.inputs import InputSpec, image_input

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


class Split(StrEnum):
    """A role. Training and calibration see TRAIN, choices see VAL, only measurements see TEST."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Samples:
    images: Images
    """Raw, [samples, height, width, channels]."""
    labels: Labels
    """Class indices, [samples]."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[np.int64]) -> "Samples":
        return Samples(images=self.images[index], labels=self.labels[index])


@dataclass(frozen=True, kw_only=True)
class Dataset:
    name: str
    classes: tuple[str, ...]
    splits: Mapping[Split, Samples]
    sha256: str

    @property
    def input(self) -> InputSpec:
        return image_input(*self.splits[Split.TRAIN].images.shape[1:])

    def __getitem__(self, split: Split) -> Samples:
        return self.splits[split]


def hold_out(samples: Samples, share: float, *, seed: int, name: str) -> tuple[Samples, Samples]:
    """`samples` as (rest, held out), stratified by label; the same for the same seed."""
    from sklearn.model_selection import train_test_split

    try:
        rest, held = train_test_split(
            np.arange(len(samples)),
            test_size=share,
            stratify=samples.labels,
            random_state=seed,
        )
    except ValueError as error:
        raise InputError(
            f"data set {name}: {len(samples)} samples cannot be split with a share of {share:g} "
            f"held out by class ({error}). Give more samples of every class, or a larger share."
        ) from error
    return samples.take(np.sort(rest)), samples.take(np.sort(held))


def three_way(
    samples: Samples, *, validation: float, test: float, seed: int, name: str
) -> dict[Split, Samples]:
    """All of `samples` as training, validation and test split, stratified by label."""
    if validation + test >= 1:
        raise InputError(
            f"dataset.validation {validation:g} and dataset.test {test:g} leave nothing to train "
            "on: their sum must be below 1."
        )
    rest, tested = hold_out(samples, test, seed=seed, name=name)
    trained, validated = hold_out(rest, validation / (1 - test), seed=seed, name=name)
    return {Split.TRAIN: trained, Split.VAL: validated, Split.TEST: tested}
