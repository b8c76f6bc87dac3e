"""One model on one device: the row that the stages, tables, pages, figures and `report/1` share.

Times are nanoseconds, sizes bytes, shares from 0 to 1, intervals 95 %. What was not measured is
null. A row is its groups of columns side by side, so that each group is made where it is known.
"""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from targets.bench.statistics import Verdict
from targets.bench.validity import DisturbanceRow

Interval = tuple[float, float]
LatencyNote = Literal["disturbed", "cut short", "emulated", "unstable"]
"""Why another measurement may give another latency."""


def reliable(note: LatencyNote | None) -> bool:
    """Whether anything may be claimed from a latency with this note."""
    return note not in ("disturbed", "cut short", "emulated")


class Part(BaseModel):
    """A frozen part of `report/1`. A key of an older version that no field has is ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class ModelFile(Part):
    """The exported file, as `targets.formats.record.ExportedModel` records it."""

    name: str
    role: str
    """`teacher`, `student` or `student_qat`."""
    seed: int
    format: str
    precision: str
    file: str
    """Path relative to the results folder."""
    sha256: str
    size_bytes: int
    parameters: int | None
    macs: int | None
    input_shape: tuple[int, ...] | None = None
    """Shape of one raw sample; null in older reports."""


class Fidelity(Part):
    """Scores on the whole test split, as `targets.evaluation.metrics` defines them."""

    agreement_with_teacher: float | None = None
    kl_to_teacher: float | None = None
    ece: float | None = None
    """Expected calibration error."""
    negative_flip_rate: float | None = None
    """Share of samples that the model's source has right and the model has wrong. The source of a
    float student is its teacher, that of a quantized one the float student."""
    worst_class_change: tuple[float, int] | None = None
    """Change of the accuracy of the class that lost most against the source, and its index."""


class AccuracyChange(Part):
    """Change from the float student on the same test samples: `evaluation.significance.mcnemar`."""

    reference: str
    """Name of the float student's file."""
    gain: float
    """Top-1 less that of the reference."""
    interval: Interval
    p_value: float
    """Two-sided p-value of no difference."""


class Accuracy(Fidelity):
    top1: float | None = None
    top1_ci: Interval | None = None
    balanced_accuracy: float | None = None
    """Mean recall of the classes that the test split has; `macro_f1` is their mean F1."""
    macro_f1: float | None = None
    agreement_with_source: float | None = None
    """Agreement with the network that the file was made from; null for a file of the user's."""
    accuracy_change: AccuracyChange | None = None
    """Null for the float student itself, and where there is no float student."""


class Latency(Part):
    device: str | None = None
    runtime: str | None = None
    """Name and version of the runtime."""
    threads: int | None = None
    median_ns: float | None = None
    median_ci: Interval | None = None
    p90_ns: int | None = None
    latency_note: LatencyNote | None = None
    peak_memory_bytes: int | None = None
    """Peak memory of the whole measuring process."""


class SpeedUp(Part):
    """Speed-up over the teacher; null where no file of the teacher was measured."""

    speedup_vs_teacher: float | None = None
    """Null where the verdict is `invalid`."""
    speedup_ci: Interval | None = None
    speedup_verdict: Verdict | None = None
    teacher_runtime: str | None = None
    """Name and version of the runtime that executed the teacher."""


class Validity(Part):
    """How far the latency can be trusted."""

    valid: bool | None = None
    """Whether nothing disturbed the machine while it was measured."""
    invalid_reasons: tuple[str, ...] = ()
    blocks: int | None = None
    """Processes that the latency is computed from."""
    disturbances: tuple[DisturbanceRow, ...] = ()
    """`invalid_reasons` as numbers, by kind."""


class ModelRow(Validity, SpeedUp, Latency, Accuracy, ModelFile):
    """The bases stand in reverse, because pydantic orders fields by the reversed MRO."""

    @classmethod
    def of(cls, *groups: Part) -> Self:
        """The row of these groups; a group that is missing has its defaults."""
        return cls.model_validate({k: v for group in groups for k, v in group})

    @property
    def is_teacher(self) -> bool:
        return self.role == "teacher"

    @property
    def note(self) -> LatencyNote | None:
        """`latency_note`; reports without that key mark a disturbed latency by `valid` alone."""
        return self.latency_note or ("disturbed" if self.valid is False else None)

    @property
    def is_reliable(self) -> bool:
        """Whether anything may be claimed from its latency."""
        return reliable(self.note)

    @property
    def reliable_ci(self) -> Interval | None:
        """The interval of a median that is reliable."""
        return self.median_ci if self.is_reliable else None


def small_files(rows: Sequence[ModelRow]) -> list[ModelRow]:
    """The files that a student is trained for: its int8 ones, or its dynamic ones where the family
    has no int8 form; empty where it has neither."""
    students = [row for row in rows if not row.is_teacher]
    int8 = [row for row in students if row.precision.startswith("int8")]
    return int8 or [row for row in students if row.precision == "dynamic"]
