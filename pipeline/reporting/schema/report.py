"""`report/1`: the results of a run in one document, typed for everything that writes or reads it.

What was not measured is null. A field with a default is missing in reports of earlier versions.
"""

import json
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, field_validator

from pipeline.datasets.audit.schema import Audit
from pipeline.engine.artifacts import DatasetSummary, FloatLayers, Sensitivity, TeacherLead
from pipeline.reporting.schema.ablation import Ablation
from pipeline.reporting.schema.confidence import ConfidenceRow
from pipeline.reporting.schema.decision import Decision
from pipeline.reporting.schema.flip import Flip
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.reporting.schema.layer_noise import LayerNoise
from pipeline.reporting.schema.model_row import ModelRow, Part
from pipeline.reporting.schema.parts import PartsRow
from pipeline.reporting.schema.per_class import PerClass
from pipeline.reporting.schema.reading import read_json
from pipeline.reporting.schema.streaming import Streaming
from pipeline.reporting.schema.tracked import Tracked
from targets.errors import InputError
from targets.formats.input_kinds import Words
from targets.formats.record import Parity, ScaleRow, Scales

SCHEMA: Final = "report/1"
FILE = "report.json"

JsonObject = dict[str, JsonValue]


class Environment(Part):
    python: str
    platform: str
    libraries: dict[str, str | None]
    """Distribution -> version; null for one that is not installed."""
    devices: dict[str, JsonObject]
    """Each measured device as `bench-result/1` describes it (`targets.bench.result.Device`)."""
    failed_devices: dict[str, str] = Field(default_factory=dict)
    """Device without figures -> the error that it failed with."""


class StageRow(Part):
    """What the run did with one stage."""

    name: str
    reused: bool
    reason: str
    wall_s: float | None
    folder: str | None
    """Name of the result's folder in the store."""


class DatasetUsed(DatasetSummary):
    majority_share: float | None = None
    """Top-1 on the test split of always naming its most frequent class."""
    test_imbalance: float | None = None
    """Samples of the test split's largest class over those of its smallest."""
    notes: tuple[str, ...] = ()
    """What a data set without an audit says of itself, a sentence each."""
    audit: Audit | None = None
    """Null where the data are no picture files."""


class Recommended(Part):
    """Recommendation for one device; the names are of files in `models`."""

    device: str
    fastest: str | None
    """Null where no latency is reliable."""
    smallest: str | None
    """Null where no file is better than naming the most frequent class."""
    reason: str
    """A sentence for a person."""


class ProcessorRow(Part):
    """Files of one quantized graph on one processor: `targets.formats.record.ProcessorProof`.

    Each file is a key that is named after its format.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    processor: str
    how: str
    samples: int
    agreement: float
    max_abs_diff: float

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(str(name) for name in (self.model_extra or {}).values())


ScaleRange = float | tuple[float, float] | None
"""A tensor's scale, or the smallest and the largest of its channels."""


class TensorScales(Part):
    """A quantized tensor in both files of the int8 network."""

    tensor: str | None
    kind: str
    channels: int | None
    tflite_scale: ScaleRange
    tflite_zero_point: int | None
    onnx_tensor: str | None
    onnx_scale: ScaleRange
    onnx_zero_point: int | None
    equal: bool
    note: str | None = None

    @classmethod
    def of(cls, row: ScaleRow) -> Self:
        ours, theirs = row.source_scales, row.file_scales
        return cls(
            tensor=row.source,
            kind=row.kind,
            channels=next((side.channels for side in (ours, theirs) if side is not None), None),
            tflite_scale=_range(ours),
            tflite_zero_point=ours.zero_point if ours else None,
            onnx_tensor=row.file,
            onnx_scale=_range(theirs),
            onnx_zero_point=theirs.zero_point if theirs else None,
            equal=row.equal,
            note=row.note,
        )


def _range(scales: Scales | None) -> ScaleRange:
    if scales is None:
        return None
    one = scales.smallest == scales.largest
    return scales.smallest if one else (scales.smallest, scales.largest)


class Report(Part):
    schema_: Literal["report/1"] = Field(default=SCHEMA, alias="schema")
    created_utc: str
    """Time of creation, RFC 3339."""
    recipe: JsonObject
    """The validated recipe, as the version that ran it wrote it."""
    seed: int
    environment: Environment
    wall_s: float
    stages: tuple[StageRow, ...]
    dataset: DatasetUsed
    decision: tuple[Decision, ...] = ()
    """For each device, whether a file may be shipped."""
    recommended: tuple[Recommended, ...] = ()
    models: tuple[ModelRow, ...]
    """A row per device and model."""
    per_class: tuple[PerClass, ...] = ()
    """Of the teacher, the float student, and the files that are recommended or int8."""
    label_suspects: tuple[LabelSuspect, ...] = ()
    """The labels that the teacher contradicts most, by split: probable label errors."""
    confidence: tuple[ConfidenceRow, ...] = ()
    """Temperature and thresholds of the files, and what they do on the test split."""
    streaming: Streaming | None = None
    """Words that the student's files detect in a long sound; null without the recipe's table
    `[streaming]` or without a bench."""
    flips: tuple[Flip, ...] = ()
    """Test samples that turned wrong or right from one network to the next, on the first device."""
    parity: tuple[Parity, ...]
    processors: tuple[ProcessorRow, ...] = ()
    parts: tuple[PartsRow, ...] = ()
    """The int8 files that are also there as front end and network (`convert.front_end_apart`)."""
    scales: tuple[TensorScales, ...] = ()
    sensitivity: Sensitivity | None = None
    """The layers that cost the int8 network its accuracy; null where it is within 0.5 points of the
    float student on the validation split."""
    teacher_lead: TeacherLead | None = None
    """The teacher against the float student on the validation split; null where the student did not
    learn from it."""
    layer_noise: tuple[LayerNoise, ...] = ()
    """The results of the student's int8 operators, worst first within each file."""
    float_layers: FloatLayers | None = None
    """Null without mixed files."""
    ablation: Ablation | None = None
    gates: tuple[GateRow, ...] = ()
    """The verdicts on `[gates]` of the recipe."""
    tracked: Tracked | None = None
    """Null without a tracker that has a server, and where it failed."""
    notes: tuple[str, ...] = ()
    """Sentences of `findings.notes`."""

    @property
    def words(self) -> Words:
        """What a person calls the samples of the data set."""
        return self.dataset.words

    @field_validator("recipe")
    @classmethod
    def _named(cls, recipe: JsonObject) -> JsonObject:
        if not isinstance(recipe.get("name"), str) or not isinstance(recipe.get("bench"), dict):
            raise ValueError("it has no name or no table 'bench'")
        return recipe

    @property
    def measured(self) -> tuple[ModelRow, ...]:
        """The rows with a latency."""
        return tuple(row for row in self.models if row.median_ns is not None)

    def dump(self) -> str:
        """Indented JSON; not pydantic's own, whose floats look different."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n"


def read(path: Path) -> Report:
    """The report in `path`, which is validated whole.

    Raises `InputError` for a file that is missing, is not JSON, has another schema or is damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no finished run there. `pipeline run` writes one.")
    what = f"a report of schema {SCHEMA}"
    return read_json(Report, path, what=what, place="", missing="Run the recipe again.")
