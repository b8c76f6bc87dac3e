"""Independent trainings one after the other, in this process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.cluster.contract import Outcome, Stopped, Task
from pipeline.engine.progress import Console
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from targets.errors import EdgeDistillError


@dataclass(frozen=True, kw_only=True)
class InProcess:
    store: Store
    workers: int = 1

    def make(self, tasks: Sequence[Task], *, console: Console) -> list[Outcome]:
        return [outcome(task, store=self.store, console=console) for task in tasks]


def outcome(task: Task, *, store: Store, console: Console) -> Outcome:
    """Make the task's stages in this process; nothing is removed from the store meanwhile."""
    started = time.monotonic()
    stopped: Stopped | None = None
    failed: EdgeDistillError | None = None
    try:
        with store.used(console):
            runner = Runner(recipe=task.recipe, store=store, console=task.watch(console))
            runner.make(last=task.last)
    except Stopped as end:
        stopped = end
    except EdgeDistillError as error:
        failed = error
    wall_s = time.monotonic() - started
    return Outcome(task=task, wall_s=wall_s, stopped=stopped, error=failed)
