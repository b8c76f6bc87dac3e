"""What the loop of a search is given: who measures, and who trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from pipeline.engine.progress import Stopped
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.search import Figures
from targets.errors import EdgeDistillError
from targets.formats.record import ExportedModel


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trial before it is trained."""

    number: int
    values: Mapping[str, JsonValue]
    recipe: Recipe


class Measured(NamedTuple):
    figures: Figures
    wall_s: float
    """Seconds of the export and of the measurement."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    file: Path
    record: ExportedModel
    right: tuple[bool, ...]
    """Of each sample of the validation split, whether the file gives its label."""
    accuracies: Mapping[int, float]
    """Epoch -> accuracy of the float student on the validation split."""
    wall_s: float = 0.0

    @property
    def epochs(self) -> int:
        return max(self.accuracies)

    @property
    def top1(self) -> float:
        return sum(self.right) / len(self.right)


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A candidate that cannot be had; another one can."""

    error: EdgeDistillError
    wall_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StoppedEarly:
    stopped: Stopped
    wall_s: float


class Measuring(Protocol):
    @property
    def at_once(self) -> int:
        """How many candidates are measured at the same time: the devices of the smallest fleet."""

    def untrained(self, candidates: Sequence[Candidate]) -> list[Measured | Failed]:
        """The file that each would become. Raises `DeviceError` where a device fails."""

    def trained(self, candidate: Candidate, trained: Trained) -> Figures:
        """The file itself, for as long as the tier `quick` asks."""


class Training(Protocol):
    @property
    def at_once(self) -> int:
        """How many candidates are trained at the same time."""

    def train(
        self, candidates: Sequence[Candidate], *, earlier: Sequence[Mapping[int, float]]
    ) -> list[Trained | StoppedEarly | Failed]:
        """`earlier`: the accuracies by epoch of the trials that were trained to the end."""

    def test_top1(self, candidate: Candidate) -> tuple[float, int]:
        """Accuracy on the test split, and its samples: for the one that is recommended."""
