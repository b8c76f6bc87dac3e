"""What a bundle says of its run, as plain values."""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    name: str
    file: str
    """Path in the results folder, and in the bundle."""
    format: str
    precision: str
    sha256: str
    """Of the file that was measured."""
    size_bytes: int
    parameters: int | None
    top1: float
    """On the test split, from 0 to 1."""
    top1_interval: tuple[float, float]
    """Of 95 %."""


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    name: str
    sha256: str
    classes: tuple[str, ...]
    splits: dict[str, int]
    """Split -> samples."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What made the files."""

    version: str
    """Of edge-distill."""
    libraries: dict[str, str]
    """Distribution -> version."""
    recipe: dict[str, JsonValue]
    seed: int
    stages: dict[str, str]
    """Stage -> digest of its result in the store."""
    began_utc: str
    ended_utc: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    name: str
    version: str
    license: str | None
    summary: str
    models: tuple[ModelFacts, ...]
    recommended: ModelFacts
    reason: str
    """Of the recommendation, a sentence for a person."""
    data: DataFacts
    origin: Origin
    results: Table
    classes: Table
    """The worst classes of the recommended file, worst first."""
    training: Table
    limits: tuple[str, ...]
    """Sentences: what a reader of the figures must know, and what was not measured."""
