"""What runs independent trainings. Every stage lands in the store, from where the caller reuses it;
so whoever uses a `Cluster` needs no other code for one machine than for many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.engine.progress import Console, Stopped
from pipeline.recipe.schema import Recipe
from targets.errors import EdgeDistillError


class UnfinishedError(EdgeDistillError):
    """A task that another start can finish: its worker ended again and again."""


@dataclass(frozen=True, kw_only=True)
class Task:
    name: str
    """For a person: `trial 7`, `seed 1: kd`."""
    recipe: Recipe
    """All of its stages up to `last` are made, or reused."""
    last: str = "convert"
    watch: Callable[[Console], Console] = field(default=lambda console: console)
    """Wraps the console that the stages report to; can be pickled, and may raise `Stopped`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    task: Task
    wall_s: float
    stopped: Stopped | None = None
    error: Exception | None = None
    """A failure of this task alone: an `EdgeDistillError`. Anything else ends the run."""


class Cluster(Protocol):
    @property
    def workers(self) -> int:
        """How many tasks run at the same time."""

    def make(self, tasks: Sequence[Task], *, console: Console) -> list[Outcome]:
        """Make every task; the outcomes in the order of the tasks.

        What an interrupted or killed worker has finished stays in the store.
        """
