"""What the stages bench and report hand over."""

from pathlib import Path

from pydantic import Field

from pipeline.engine.artifacts import Artifact
from pipeline.reporting.schema.confidence import ConfidenceRow
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.parts import PartsRow
from pipeline.reporting.schema.per_class import PerClass
from pipeline.reporting.schema.report import JsonObject
from pipeline.reporting.schema.streaming import Streaming


class Measurements(Artifact):
    """The rows of every device; its raw samples are in `bench/<device>.json` of the folder."""

    exports: Path
    """Folder of the exports that were measured."""
    rows: tuple[ModelRow, ...]
    devices: dict[str, JsonObject]
    failed: dict[str, str] = Field(default_factory=dict)
    """Device without figures -> the error that it failed with."""
    majority_share: float | None = None
    """Top-1 on the test split of always naming its most frequent class; null without a bench."""
    test_imbalance: float | None = None
    """`DatasetUsed.test_imbalance`; null without a bench."""
    per_class: tuple[PerClass, ...] = ()
    """Every file, on the first device that was measured."""
    label_suspects: tuple[LabelSuspect, ...] = ()
    """Test samples."""
    confidence: tuple[ConfidenceRow, ...] = ()
    """Every file with a temperature, on the first device that was measured."""
    parts: tuple[PartsRow, ...] = ()
    """On every device, the files that are also there as front end and network."""
    streaming: Streaming | None = None
    """The student's files over a long sound, on this machine; null without `[streaming]`."""
    notes: tuple[str, ...] = ()
    """What a reader of the accuracies must know: `findings.notes`."""


class ReportFiles(Artifact):
    """`report.json` and `report.html`, in its folder."""
