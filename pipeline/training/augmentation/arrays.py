"""Arrays of any meaning: nothing is known that could be changed in them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Samples
from pipeline.training.augmentation.contract import Each, Mixing, ViewSettings

MIXED_BY: tuple[Mixing, ...] = ("mixup",)


class Settings(ViewSettings):
    """No keys."""


@dataclass(frozen=True)
class UnchangedTable:
    """Every view is the sample itself."""

    def render(self, samples: Samples, index: npt.NDArray[np.int64], *, each: Each = map) -> Raw:
        return np.asarray(samples.raw[index])


def training_view(cfg: Settings, data: Dataset, *, seed: int, view: int) -> UnchangedTable:
    return UnchangedTable()


def require_fit(
    cfg: Settings, data: Dataset, *, teacher: Dataset | None = None, table: str = "augmentation"
) -> None:
    """All arrays fit."""
