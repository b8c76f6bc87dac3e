"""What every stage gets beside its own table of the recipe and its upstream artifacts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.manifest import Manifest
from pipeline.engine.progress import Console
from pipeline.recipe.schema import DatasetConfig, Recipe
from pipeline.recipe.training import TrainingConfig
from pipeline.training.distribution import Alone, Distribution
from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.reporting.schema.ablation import Ablation
    from pipeline.reporting.schema.tracked import Tracked


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a run would do with one stage (`Runner.plan`), or did with it (`Runner.run`)."""

    name: str
    reused: bool
    reason: str
    """Why it is made again, or that nothing changed."""
    folder: str | None = None
    """Name of the result's folder in the store."""
    wall_s: float | None = None
    """Seconds that it took; null where nothing was made."""
    manifest: Manifest | None = None
    """Manifest of the stored result."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What the run did before the stage, for the report."""

    steps: tuple[Step, ...]
    begun: float
    """`time.monotonic()` at the start of the run."""
    ablation: "Ablation | None" = None
    """The table of `pipeline.reporting.findings.ablation`, if `ablation.enabled`."""
    tracked: "Tracked | None" = None


@dataclass(frozen=True, kw_only=True)
class Job:
    recipe: Recipe
    """A stage reads only the tables that its line in `graph.py` names under `reads`."""
    scratch: Path
    """A folder that outlives an interruption, and is removed when the stage is published."""
    console: Console
    history: History | None = None
    """History of the run, for stages that are always made again; None for others."""
    distribution: Distribution = field(default_factory=Alone)
    """Whether a training stage has the whole training, or a worker's part of it."""

    def seed(self, cfg: TrainingConfig) -> int:
        """The seed of a training stage: its own, or the recipe's."""
        return self.recipe.seed if cfg.seed is None else cfg.seed

    def dataset(self) -> "Dataset":
        """The student's data, checked against the digest that is in the stage's key."""
        return self._loaded(self.recipe.dataset)

    def teacher_dataset(self) -> "Dataset":
        """The same samples in the same order, at the size of the teacher's images."""
        return self._loaded(self.recipe.teacher_data)

    def _loaded(self, cfg: DatasetConfig) -> "Dataset":
        from pipeline import datasets

        data = datasets.load(cfg)
        if data.sha256 != datasets.source_digest(self.recipe.dataset):
            raise InputError(
                f"data set {data.name}: the file changed while the run was reading it. Run the "
                "same command again."
            )
        return data
