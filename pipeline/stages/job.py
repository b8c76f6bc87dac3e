"""What every stage is given beside its own configuration and its upstream artifacts."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.progress import Console
from pipeline.recipe import Recipe

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset


@dataclass(frozen=True, kw_only=True)
class History:
    steps: tuple[dict[str, Any], ...]
    begun: float
    """`time.monotonic()` at the start of the run."""


@dataclass(frozen=True, kw_only=True)
class Job:
    recipe: Recipe
    """A stage reads only the tables that its line in `graph.py` names under `reads`."""
    scratch: Path
    """A folder that outlives an interruption and goes when the stage is published."""
    console: Console
    history: History | None = None
    """What the run did so far, for the report."""

    def dataset(self) -> "Dataset":
        from pipeline import datasets

        return datasets.load(self.recipe.dataset)
