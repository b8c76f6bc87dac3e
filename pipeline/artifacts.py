"""What stages hand over. Frozen; the bytes stay in files of the artifact's folder.

The store writes an artifact as `artifact.json` beside its files and reads it back from there.
Nothing in it depends on when or where it was made, so that equal results have equal bytes.
"""

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from pipeline.models.network import NetworkSpec
from targets.formats.record import ExportedModel, Parity
from targets.inputs import InputSpec

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


class TeacherLogits(Artifact):
    """What the teacher says of the training images: of each in several views."""

    FILE: ClassVar[str] = "logits.npy"

    views: int
    validation_top1: float
    parameters: int | None
    """Of the teacher; null where nobody knows."""

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

    def path(self, model: ExportedModel) -> Path:
        return self.folder / model.file


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
    median_ns: float | None = None
    median_ci: tuple[float, float] | None = None
    p90_ns: int | None = None
    speedup_vs_teacher: float | None = None
    speedup_ci: tuple[float, float] | None = None


class Measurements(Artifact):
    """What the bench stage saw; the raw samples are in `bench/<device>.json` of its folder."""

    exports: Path
    """Folder of the exports that were measured."""
    rows: tuple[Measured, ...]
    devices: dict[str, dict[str, Any]]


class Report(Artifact):
    """The written report; `report.json` and `report.html` in its folder."""
