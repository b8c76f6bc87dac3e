"""`predictions/1`: the class that every file gives every test sample on one device.

Gates and comparisons of runs pair two files by it, sample by sample.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from pipeline.reporting.schema.model_row import Part
from pipeline.reporting.schema.reading import read_json
from targets.errors import printable
from targets.evaluation.metrics import Labels, Logits, predicted

SCHEMA: Final = "predictions/1"
FOLDER = "predictions"
"""Of a results folder, with a file for each device."""
TEACHER = "teacher"
"""Name of a teacher whose logits were computed before: it has no file."""

Class = Annotated[int, Field(ge=0, lt=10**6)]


class ModelPredictions(Part):
    predicted: tuple[Class, ...]
    """Index of a class for each sample."""
    confidence: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    """Largest probability of each sample, to four digits; of single scores empty."""
    calibrated: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    """The same with the temperature of the file; empty where it has none, and in files of earlier
    versions."""


class Predictions(Part):
    schema_: Literal["predictions/1"] = Field(default=SCHEMA, alias="schema")
    device: str
    samples_sha256: str
    """Of the test samples and their labels in their order: equal where they are the same."""
    labels: Annotated[tuple[Class, ...], Field(min_length=1)]
    models: dict[str, ModelPredictions]

    @model_validator(mode="after")
    def _one_for_each_sample(self) -> Self:
        count = len(self.labels)
        for name, model in self.models.items():
            shares = (model.confidence, model.calibrated)
            if len(model.predicted) != count or any(len(s) not in (0, count) for s in shares):
                raise ValueError(f"models.{printable(name)}: not one value for each label")
        return self

    @classmethod
    def of(
        cls,
        logits: Mapping[str, Logits],
        labels: Labels,
        *,
        device: str,
        digest: str,
        temperatures: Mapping[str, float] | None = None,
    ) -> Self:
        """`digest`: `samples_sha256`; `temperatures`: by model, for those that have one."""
        known = temperatures or {}
        return cls(
            device=device,
            samples_sha256=digest,
            labels=tuple(labels.tolist()),
            models={name: _model(found, known.get(name)) for name, found in logits.items()},
        )

    def right(self, model: str) -> npt.NDArray[np.bool_]:
        """Which samples the model has right, [samples]."""
        found: npt.NDArray[np.bool_] = np.equal(self.models[model].predicted, self.labels)
        return found


def _model(logits: Logits, temperature: float | None) -> ModelPredictions:
    return ModelPredictions(
        predicted=tuple(predicted(logits).tolist()),
        confidence=_shares(logits, temperature=1.0),
        calibrated=() if temperature is None else _shares(logits, temperature=temperature),
    )


def _shares(logits: Logits, *, temperature: float) -> tuple[float, ...]:
    if logits.shape[1] == 1:
        return ()
    from targets.evaluation.temperature import confidence

    return tuple(confidence(logits, temperature=temperature).round(4).tolist())


def read(path: Path) -> Predictions:
    """Raises `InputError` for a file that is missing, damaged or of another schema."""
    missing = "Run the recipe again: runs of earlier versions have no predictions."
    return read_json(
        Predictions, path, what=f"predictions of schema {SCHEMA}", place="", missing=missing
    )
