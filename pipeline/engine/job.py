"""What every stage is given beside its own configuration and its upstream artifacts."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.progress import Console
from pipeline.recipe.schema import Recipe
from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.engine.store import Manifest
    from pipeline.reporting.schema.ablation import Ablation


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a plan says about one stage, or a run did with it."""

    name: str
    reused: bool
    reason: str
    folder: str | None = None
    key: str | None = None
    wall_s: float | None = None
    manifest: "Manifest | None" = None


@dataclass(frozen=True, kw_only=True)
class History:
    steps: tuple[Step, ...]
    begun: float
    """`time.monotonic()` at the start of the run."""
    ablation: "Ablation | None" = None
    """What each stage bought, where that was asked for."""


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
        """The data whose digest the stored result is named by."""
        from pipeline import datasets

        data = datasets.load(self.recipe.dataset)
        if data.sha256 != datasets.source_digest(self.recipe.dataset):
            raise InputError(
                f"data set {data.name}: the file changed while the run was reading it. Run the "
                "same command again."
            )
        return data
