"""What stages hand over: frozen values, and files in the artifact's folder.

The store writes an artifact as `artifact.json` beside its files and reads it back from there.
Nothing in it depends on when or where it was made, so that equal results have equal bytes.
"""

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from pipeline.models.network import NetworkSpec
from pipeline.recipe.schema import TeacherConfig
from targets.formats.input_spec import InputSpec
from targets.formats.record import ExportedModel, Parity, ProcessorProof, ScaleRow

FILE = "artifact.json"


class Artifact(BaseModel):
    model_config = ConfigDict(frozen=True)

    folder: Path = Field(exclude=True)

    def write(self) -> None:
        (self.folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        import json

        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(folder=folder, **content)


class Checkpoint(Artifact):
    """A trained network."""

    WEIGHTS: ClassVar[str] = "weights.npz"

    network: NetworkSpec
    quantized: bool = False
    """Whether the weights are of the network wrapped for quantization-aware training."""
    parameters: int
    macs: int

    @property
    def weights(self) -> Path:
        return self.folder / self.WEIGHTS


class Teacher(Artifact):
    """The network that was trained here, or the user's own file."""

    kind: str
    """`trained`, or one of `pipeline.teachers.SOURCES`."""
    file: str
    """In the artifact's folder: the weights, or a copy of the user's file."""
    network: NetworkSpec | None = None
    """Of the network that was trained here."""
    asked: TeacherConfig | None = None
    """How the user's file is used: its scaling, its output and its classes."""
    parameters: int | None = None
    macs: int | None = None
    """Both null if the user's file does not hold them."""

    @property
    def path(self) -> Path:
        return self.folder / self.file

    @property
    def checkpoint(self) -> Checkpoint:
        """Of the network that was trained here."""
        assert self.network is not None
        assert self.parameters is not None
        assert self.macs is not None
        return Checkpoint(
            folder=self.folder, network=self.network, parameters=self.parameters, macs=self.macs
        )


class TeacherLogits(Artifact):
    """The teacher's logits for several views of every training image."""

    FILE: ClassVar[str] = "logits.npy"

    views: int

    @property
    def path(self) -> Path:
        """float16 [views, images, classes]."""
        return self.folder / self.FILE


class DatasetSummary(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    classes: tuple[str, ...]
    train: int
    val: int
    test: int
    sha256: str


class Exports(Artifact):
    """The files that a device can load, each shown to be what was asked for."""

    input: InputSpec
    dataset: DatasetSummary
    models: tuple[ExportedModel, ...]
    parity: tuple[Parity, ...]
    scales: tuple[ScaleRow, ...] = ()
    """Every quantized tensor of the int8 TFLite file beside that of the ONNX file."""
    processors: tuple[ProcessorProof, ...] = ()
    """Both int8 files on this processor and on each of `convert.prove_on`."""
    teacher_logits: str | None = None
    """Of a teacher that is no file that could be measured: .npy [test images, classes]."""

    def path(self, model: ExportedModel) -> Path:
        return self.folder / model.file


class AccuracyChange(BaseModel):
    """Against the float student, on the same test images: `evaluation.significance.mcnemar`."""

    model_config = ConfigDict(frozen=True)

    reference: str
    """Name of the float student's file."""
    gain: float
    """Top-1 less that of the reference."""
    interval: tuple[float, float]
    """Of the gain, 95 %."""
    p_value: float
    """Of no difference, two-sided."""


class Measured(BaseModel):
    """One model on one device, in the words of `report/1`; what was not measured is null."""

    model_config = ConfigDict(frozen=True)

    name: str
    device: str | None = None
    runtime: str | None = None
    threads: int | None = None
    top1: float | None = None
    top1_ci: tuple[float, float] | None = None
    agreement_with_teacher: float | None = None
    kl_to_teacher: float | None = None
    ece: float | None = None
    negative_flip_rate: float | None = None
    worst_class_change: tuple[float, int] | None = None
    """Against what the model was made from: the student against the teacher, int8 against float."""
    accuracy_change: AccuracyChange | None = None
    """Null of the float student itself, and where there is none."""
    median_ns: float | None = None
    median_ci: tuple[float, float] | None = None
    p90_ns: int | None = None
    peak_memory_bytes: int | None = None
    """Of the whole measuring process."""
    latency_note: str | None = None
    """`disturbed`, `cut short`, `emulated` or `unstable`: why another measurement may give another
    latency."""
    speedup_vs_teacher: float | None = None
    """Null where the verdict is `invalid`."""
    speedup_ci: tuple[float, float] | None = None
    speedup_verdict: str | None = None
    """`faster`, `slower`, `no difference shown` or `invalid`."""
    teacher_runtime: str | None = None
    """What the teacher ran in, against which the speed-up is."""
    valid: bool | None = None
    """Whether the machine was left alone while its latency was measured."""
    invalid_reasons: tuple[str, ...] = ()
    blocks: int | None = None
    """Processes that the latency is from."""
    disturbances: tuple[dict[str, Any], ...] = ()
    """`invalid_reasons` as numbers, by kind: `targets.bench.summary.DisturbanceRow`. Not by its
    type: what this module imports is part of every stage's key."""


class Measurements(Artifact):
    """What the bench stage saw; the raw samples are in `bench/<device>.json` of its folder."""

    exports: Path
    """Folder of the exports that were measured."""
    rows: tuple[Measured, ...]
    devices: dict[str, dict[str, Any]]
    failed: dict[str, str] = {}
    """The devices without figures, and why."""
    majority_share: float | None = None
    """Top-1 on the test split of always naming its most frequent class; null without a bench."""
    notes: tuple[str, ...] = ()
    """What a reader of the accuracies must know: `pipeline.reporting.notes`."""


class Report(Artifact):
    """The written report; `report.json` and `report.html` in its folder."""
