"""What stages hand over: frozen values, and files in the artifact's folder.

The store writes an artifact as `artifact.json` beside its files and reads it back from there.
Nothing in it depends on when or where it was made, so that equal results have equal bytes.
"""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from pipeline.models.network import NetworkSpec
from pipeline.recipe.training import TeacherConfig
from targets.formats.confidence import Confidence
from targets.formats.input_kinds import WORDS, Words
from targets.formats.input_spec import InputSpec, Kind
from targets.formats.record import (
    ExportedModel,
    Parity,
    ProcessorProof,
    ScaleRow,
    TakenApart,
    TensorNoise,
)
from targets.formats.streaming import WordThreshold

FILE = "artifact.json"
PARTS = "parts"
"""Folder of `Exports.parts`, beside `models`."""
LEVEL = 0.05
"""Level of the two-sided test below which a difference is shown."""


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


class TeacherLead(BaseModel):
    """How much better a teacher is than the student that it taught, on the validation split."""

    model_config = ConfigDict(frozen=True)

    samples: int
    teacher_top1: float
    student_top1: float
    interval: tuple[float, float]
    """95 % interval of the lead, `teacher_top1` less `student_top1`."""
    p_value: float
    """Two-sided p-value of McNemar's test."""

    @property
    def is_shown(self) -> bool:
        return self.teacher_top1 > self.student_top1 and self.p_value < LEVEL


class DistilledCheckpoint(Checkpoint):
    lead: TeacherLead | None = None
    """Null where nothing was learned from the teacher (`distill.alpha = 0`), and where it is a file
    of logits without those of the validation split."""


class LayerGain(BaseModel):
    """A layer of the quantized network, and what it gains without its fake quantization."""

    model_config = ConfigDict(frozen=True)

    layer: str
    kind: str
    """Its class in Keras."""
    tensors: str
    """What is quantized: `weights`, `activations`, or `weights and activations`."""
    gain: float
    """Change of top-1 on the samples that the layers are measured on."""
    interval: tuple[float, float]
    """95 % interval of the gain."""


class Sensitivity(BaseModel):
    """What int8 costs on the validation split, and the layers that cost most."""

    model_config = ConfigDict(frozen=True)

    images: int
    """Validation samples, of any kind; the next four are of all of them."""
    float_top1: float
    int8_top1: float
    interval: tuple[float, float]
    """95 % interval of the change from `float_top1` to `int8_top1`."""
    unquantized_top1: float
    """Of the fine-tuned network without any fake quantization."""
    compared_layers: int
    """Layers with quantization; those that change the logits most are measured."""
    measured_on: int
    """Validation samples, evenly spaced, that each of these is measured on."""
    layers: tuple[LayerGain, ...]
    """The largest gains, each of one layer by itself; a layer that gains nothing is left out."""


class QuantizedCheckpoint(Checkpoint):
    sensitivity: Sensitivity | None = None
    """Null where int8 is within 0.5 points of float on the validation split, or not shown to be
    worse."""


class Teacher(Artifact):
    """The network that was trained here, or the user's own file."""

    kind: str
    """`trained`, or a name in `pipeline.teachers.TEACHER_FILES`."""
    file: str
    """File in the artifact's folder: the weights, or a copy of the user's file."""
    network: NetworkSpec | None = None
    """Specification of the network that was trained here."""
    asked: TeacherConfig | None = None
    """How the user's file is used: its scaling, its output and its classes."""
    parameters: int | None = None
    macs: int | None = None
    """`parameters` and `macs` are null if the user's file does not hold them."""

    @property
    def path(self) -> Path:
        return self.folder / self.file

    @property
    def checkpoint(self) -> Checkpoint:
        """Checkpoint of the network that was trained here."""
        assert self.network is not None
        assert self.parameters is not None
        assert self.macs is not None
        return Checkpoint(
            folder=self.folder, network=self.network, parameters=self.parameters, macs=self.macs
        )


class TeacherLogits(Artifact):
    """The teacher's logits for several views of every training sample."""

    FILE: ClassVar[str] = "logits.npy"

    views: int

    @property
    def path(self) -> Path:
        """Path of the logits, float16 [views, samples, classes]."""
        return self.folder / self.FILE


class DatasetSummary(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    classes: tuple[str, ...]
    train: int
    val: int
    test: int
    unlabelled: int = 0
    """Samples without labels, which take part in the distillation."""
    sha256: str
    kind: Kind = "image"
    """What the samples are; results of earlier versions are of images."""

    @property
    def words(self) -> Words:
        """What a person calls the samples."""
        return WORDS[self.kind]


class FloatLayers(BaseModel):
    """The layers of the mixed files that are in float, and what they bring."""

    model_config = ConfigDict(frozen=True)

    layers: tuple[str, ...]
    max_drop: float | None
    """The limit that they were chosen for, in percentage points; null for `convert.keep_float`."""
    operators: int
    """Operators of the TFLite file in float: those of the layers, and those that read them."""
    images: int
    """Validation samples, of any kind, that the next three are measured on, in the files."""
    float_top1: float
    int8_top1: float
    mixed_top1: float
    """Of the worse of both formats' files; so is `int8_top1`."""


class Exports(Artifact):
    """The files that a device can load, each shown to be what was asked for."""

    input: InputSpec
    dataset: DatasetSummary
    models: tuple[ExportedModel, ...]
    parity: tuple[Parity, ...]
    scales: tuple[ScaleRow, ...] = ()
    """Every quantized tensor of the int8 TFLite file beside that of the ONNX file."""
    layer_noise: tuple[TensorNoise, ...] = ()
    """The results of the student's int8 operators, worst first within each precision."""
    float_layers: FloatLayers | None = None
    """Null without mixed files."""
    processors: tuple[ProcessorProof, ...] = ()
    """Proofs of both int8 files on this processor and on each of `convert.prove_on`."""
    parts: tuple[TakenApart, ...] = ()
    """The int8 files that are also there as two, with `convert.front_end_apart`."""
    confidence: dict[str, Confidence] = Field(default_factory=dict)
    """Name of a model -> its temperature and thresholds, which its sidecar holds too."""
    streaming: dict[str, WordThreshold] = Field(default_factory=dict)
    """Name of a student's file -> when it detects a word, which its sidecar holds too; empty
    without the recipe's table `[streaming]`."""
    teacher_logits: str | None = None
    """Logits of a teacher without a file to measure: name of a .npy [test samples, classes]."""

    def path(self, model: ExportedModel) -> Path:
        return self.folder / model.file

    @property
    def part_files(self) -> tuple[ExportedModel, ...]:
        """Every file of `parts` once."""
        found = (one for row in self.parts for one in (row.front_end, row.network))
        return tuple({one.name: one for one in found}.values())
