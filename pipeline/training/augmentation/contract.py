"""What the views of a kind of data are: random changes as a pure function of a seeded table."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Samples
from pipeline.recipe.section import Section

Each = Callable[[Callable[[int], Raw], Iterable[int]], Iterable[Raw]]
"""`map`, or that of a pool of threads: for work that runs outside of Python's lock."""

Mixing = Literal["mixup", "cutmix"]
"""A key of `[distill]`."""


class ViewSettings(Section):
    """Base of the keys of `[augmentation]` for a kind of data."""

    @classmethod
    def plain(cls) -> Self:
        """The settings with which a view is the sample itself: here all defaults."""
        return cls()

    @property
    def changes(self) -> bool:
        """Whether a view can differ from its sample."""
        return bool(self.to_plain())

    def to_plain(self) -> tuple[str, ...]:
        """What a recipe has to set so that nothing is changed, such as `augmentation.shift = 0`."""
        return tuple(
            f"augmentation.{key} = {json.dumps(value)}"
            for key, value in self.plain()
            if getattr(self, key) != value
        )


class ViewTable(Protocol):
    """How every sample of a split is changed in one view, whatever batch it is in.

    So a teacher and a student, or a run and its resumption, get the same views.
    """

    def render(self, samples: Samples, index: npt.NDArray[np.int64], *, each: Each = map) -> Raw:
        """The view of the samples at `index`: [batch, *input.shape], in the type of the samples."""


@runtime_checkable
class Views(Protocol):
    """One module or package: `pipeline.training.augmentation.arrays` is the shortest."""

    @property
    def Settings(self) -> type[ViewSettings]:  # noqa: N802
        """The keys of `[augmentation]`."""

    @property
    def MIXED_BY(self) -> tuple[Mixing, ...]:  # noqa: N802
        """The ways in which two samples can be mixed."""

    def training_view(self, cfg: Any, data: Dataset, *, seed: int, view: int) -> ViewTable:
        """The table of view number `view` for the training samples: the same for the same numbers.

        `cfg` is an instance of `Settings`.
        """

    def require_fit(
        self,
        cfg: Any,
        data: Dataset,
        *,
        teacher: Dataset | None = None,
        table: str = "augmentation",
    ) -> None:
        """Raise `InputError` for changes that can leave nothing of a sample, or that are others for
        the samples of the `teacher`, which can have another size.

        `table` is `teacher` for the settings that a teacher is trained on: there are keys of that
        table in them.
        """
