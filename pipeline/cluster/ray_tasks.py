"""Independent trainings as tasks of Ray, each in a fresh process on some machine of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.cluster import worker
from pipeline.cluster.admission import admitted
from pipeline.cluster.contract import Outcome, Task, UnfinishedError
from pipeline.cluster.events import Board, Mailbox
from pipeline.cluster.landmarks import marked
from pipeline.cluster.signals import deferred
from pipeline.engine.progress import Console
from pipeline.engine.remote.shared_store import SharedStore
from pipeline.engine.store import Store
from targets.errors import InputError, printable

POLL_S = 0.5
CANCEL_S = 10.0
RETRIES = 2

# A fresh process for each: TensorFlow keeps its number of threads, and its memory. Only a worker
# that died is replaced: an error of ours is the task's outcome.
TRAIN = ray.remote(max_calls=1, max_retries=RETRIES)(worker.made)


@dataclass(frozen=True, kw_only=True)
class RayTasks:
    """On the cluster that this process is connected to."""

    store: Store
    mailbox: Any
    """The handle of an actor, `Mailbox`."""
    cpus: int
    """Of all machines."""
    largest: int
    """CPUs of the largest machine."""
    machines: int = 1
    threads: int = 1
    """Of the recipes, for the number of workers."""

    @property
    def workers(self) -> int:
        return max(1, self.cpus // min(self.threads, self.largest))

    def make(self, tasks: Sequence[Task], *, console: Console) -> list[Outcome]:
        self._require_one_machine_for_workers(tasks)
        board = Board(console=console, names=[task.name for task in tasks])
        outcomes: dict[int, Outcome] = {}
        with deferred() as heed:
            left = [self._started(number, task) for number, task in enumerate(tasks)]
            numbers = {ref: number for number, ref in enumerate(left)}
            try:
                while left:
                    done, left = ray.wait(left, num_returns=len(left), timeout=POLL_S)
                    self._show(board)
                    for ref in done:
                        outcomes[numbers[ref]] = _outcome(ref, tasks[numbers[ref]])
                    heed()
            finally:
                board.close()
                _cancel(left)
        return [outcomes[number] for number in range(len(tasks))]

    def _require_one_machine_for_workers(self, tasks: Sequence[Task]) -> None:
        if not isinstance(self.store, SharedStore) or self.machines == 1:
            return
        for task in tasks:
            if task.recipe.workers > 1:
                raise InputError(
                    f"workers = {task.recipe.workers}: workers train together in a folder that "
                    f"their machines share, and --store {self.store.address} is none. Set workers "
                    "to 1, or give such a folder with --store."
                )

    def _started(self, number: int, task: Task) -> Any:
        cpus = min(task.recipe.threads, self.largest)
        # Only the address: its machine has credentials of its own.
        place = self.store.address if isinstance(self.store, SharedStore) else self.store.root
        return TRAIN.options(num_cpus=cpus, name=printable(task.name)).remote(
            task, number, place=place, folder=Path.cwd(), mailbox=self.mailbox
        )

    def _show(self, board: Board) -> None:
        try:
            events = ray.get(self.mailbox.take.remote(), timeout=POLL_S)
        except RayError:  # its machine is gone, or busy: the trainings go on
            return
        for task, event in events:
            board.show(task, event)


def ray_tasks(store: Store, *, threads: int) -> RayTasks:
    """Raises `InputError` where a machine of the cluster cannot make our results."""
    with marked(store) as landmark:
        cpus = admitted(landmark)
    mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
    return RayTasks(
        store=store,
        mailbox=mailbox,
        cpus=sum(cpus),
        largest=max(cpus),
        machines=len(cpus),
        threads=threads,
    )


def _outcome(ref: Any, task: Task) -> Outcome:
    try:
        made: Outcome = ray.get(ref)
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        return Outcome(task=task, wall_s=0.0, error=_lost(task, error))
    return Outcome(task=task, wall_s=made.wall_s, stopped=made.stopped, error=made.error)


def _lost(task: Task, error: RayError) -> UnfinishedError:
    first_line = next(iter(str(error).splitlines()), "")
    return UnfinishedError(
        f"{printable(task.name)}: its worker ended {RETRIES + 1} times, by a kill or for want of "
        f"memory ({type(error).__name__}: {printable(first_line)}). The finished epochs are kept: "
        "give it more memory, or less to do at a time, and run the same command again."
    )


def _cancel(left: Sequence[Any]) -> None:
    """End what still runs; a worker's `finally` blocks are run."""
    for ref in left:
        ray.cancel(ref)
    if left:
        _, stuck = ray.wait(list(left), num_returns=len(left), timeout=CANCEL_S)
        for ref in stuck:
            ray.cancel(ref, force=True)
