"""What a tracker gets. It may raise anything, and may hang: `guard` handles both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import Report
from pipeline.reporting.schema.tracked import Tracked


@dataclass(frozen=True, kw_only=True)
class Epoch:
    number: int
    """From 1."""
    loss: float
    accuracy: float
    """Top-1 on the validation split."""
    learning_rate: float
    """At the beginning of the epoch."""

    def scalars(self) -> Mapping[str, float]:
        return {
            "loss": self.loss,
            "validation_top1": self.accuracy,
            "learning_rate": self.learning_rate,
        }


class Tracker(Protocol):
    @property
    def tracked(self) -> Tracked | None:
        """What the report says of it."""

    def start(self) -> None: ...

    def begin(self, stage: str, *, first: int) -> None:
        """A training begins at the epoch `first`: above 1, it was interrupted before."""

    def epoch(self, stage: str, epoch: Epoch) -> None: ...

    def trained(self, stage: str, history: Sequence[Epoch]) -> None:
        """The whole history of a stage, trained now or reused: what is not tracked yet is added,
        and nothing twice."""

    def delivered(self, results: Path, report: Report) -> None:
        """The run is at its end, and `results` is its folder."""

    def interrupted(self) -> None:
        """The run ended without results; the same command may resume it."""


def figures(report: Report) -> Iterator[tuple[str, float]]:
    """The figures of each file, by names as `top1/student.int8.tflite`."""
    several = len({row.device for row in report.models}) > 1
    for row in report.models:
        place = f"{row.name}/{row.device}" if several else row.name
        for name, value in _figures(row).items():
            if value is not None:
                yield f"{name}/{place}", float(value)


def _figures(row: ModelRow) -> Mapping[str, float | None]:
    return {
        "top1": row.top1,
        "gain_over_float": None if row.accuracy_change is None else row.accuracy_change.gain,
        "agreement_with_teacher": row.agreement_with_teacher,
        "ece": row.ece,
        "negative_flip_rate": row.negative_flip_rate,
        "median_ms": None if row.median_ns is None else row.median_ns / 1e6,
        "speedup_vs_teacher": row.speedup_vs_teacher,
        "size_kb": row.size_bytes / 1e3,
    }
