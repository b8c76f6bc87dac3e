"""`search.json`, schema `search/1`: every trial of a search, and the student that it recommends.

Absent is null; units are in the keys.
"""

import json
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from pipeline.reporting.schema.reading import read_json

SCHEMA: Final = "search/1"
FILE = "search.json"

Interval = tuple[float, float]
State = Literal["trained", "stopped", "over_limit", "failed"]
"""`stopped`: early, by its validation accuracy. `over_limit`: measured, not trained."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DeviceFigures(Section):
    """A file on one device."""

    device: str
    median_ns: float = Field(gt=0)
    median_ci: Interval | None = None
    p90_ns: float = Field(gt=0)
    p90_upper_ns: float | None = None
    """Upper 99 % bound by MLPerf LoadGen's rule; null below 64 queries."""
    peak_memory_bytes: int | None = None
    valid: bool
    invalid_reasons: tuple[str, ...] = ()


class Figures(Section):
    """A file, untrained or trained, on the devices of the search."""

    sha256: str
    size_bytes: int = Field(gt=0)
    parameters: int | None = None
    macs: int | None = None
    devices: tuple[DeviceFigures, ...]


class LimitRow(Section):
    figure: Literal["median", "p90", "size", "memory"]
    most: float = Field(gt=0)
    """In ns or bytes."""
    text: str
    """As the user wrote it."""


class DimensionRow(Section):
    key: str
    """A key of the recipe."""
    choices: tuple[JsonValue, ...] | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False


class TrialRow(Section):
    number: int
    values: dict[str, JsonValue]
    """Key of the recipe -> value; a dimension that the family does not have is left out."""
    state: State
    reason: str
    """Why it was not trained to the end; else empty."""
    untrained: Figures | None = None
    trained: Figures | None = None
    """The trained file, with the measurements of the untrained one: its size is its own."""
    top1: float | None = None
    """Accuracy of the file on the validation split, which the search optimizes."""
    top1_ci: Interval | None = None
    epochs: int = 0
    """Epochs that the student was trained for."""
    measuring_s: float = 0.0
    training_s: float = 0.0


class Recommendation(Section):
    trial: int
    figures: Figures
    """The trained file, measured again in tier `quick`."""
    next_best: int | None = None
    """The trial with the next best accuracy, if there is one."""
    p_value: float | None = None
    """McNemar's test of both on the validation split."""
    separable: bool | None = None
    test_top1: float
    """Accuracy on the test split, of this trial only."""
    test_top1_ci: Interval
    sentence: str


class Rejected(Section):
    """A trained trial that missed a limit when its trained file was measured again."""

    trial: int
    reason: str


class Cost(Section):
    wall_s: float
    """Of all runs of the search, also interrupted ones, as far as they are on record."""
    measuring_s: float
    training_s: float
    repeated: int = 0
    """Proposals that had been tried before; they are no trials."""


class SearchResult(Section):
    schema_: Literal["search/1"] = Field(default=SCHEMA, alias="schema")
    created_utc: str
    recipe: str
    """Name of the recipe."""
    seed: int
    finished: bool
    """False while it goes on, or if it was interrupted."""
    devices: tuple[str, ...]
    limits: tuple[LimitRow, ...]
    space: tuple[DimensionRow, ...]
    validation_samples: int | None = None
    test_samples: int | None = None
    trials: tuple[TrialRow, ...]
    front: tuple[int, ...] = ()
    """Numbers of the trained trials that no other one beats in accuracy and p90 (of the slowest
    device), the fastest first."""
    recommendation: Recommendation | None = None
    rejected: tuple[Rejected, ...] = ()
    cost: Cost
    versions: dict[str, str] = {}

    @property
    def named(self) -> set[int]:
        """The trials that are recommended, compared with that one, rejected, or on the front."""
        one = self.recommendation
        named = {*self.front, *(row.trial for row in self.rejected)}
        if one is not None:
            named |= {one.trial, one.trial if one.next_best is None else one.next_best}
        return named

    @model_validator(mode="after")
    def _numbers_are_of_trials(self) -> Self:
        known = [trial.number for trial in self.trials]
        if len(set(known)) < len(known):
            raise ValueError("trials: a number is there twice")
        if lost := self.named - set(known):
            raise ValueError(f"trials: there is no trial {min(lost)}, which it names elsewhere")
        return self

    def dump(self) -> str:
        """Indented JSON, as the other results."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n"


def read(path: Path) -> SearchResult:
    """Raises `InputError` for a file that is missing, damaged or of another schema."""
    what = f"a search of schema {SCHEMA}"
    return read_json(SearchResult, path, what=what, place="", missing="Run the search again.")
