"""Independent trainings, in this process and as tasks of Ray: one contract."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.cluster.contract import Cluster, Stopped, Task
from pipeline.cluster.here import InProcess
from pipeline.engine.progress import Console, EpochProgress, SilentConsole
from pipeline.engine.store import Store
from pipeline.recipe.schema import Recipe
from targets.errors import InputError
from tests.conftest import Lane

QUICK = (("convert.precisions", ["float32"]), ("convert.targets", ["tflite"]))


@dataclass
class Impatient:
    """A console that stops the training of the student after its first epoch."""

    console: Console

    def say(self, text: str) -> None:
        self.console.say(text)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        yield self

    def step(self, done: int, of: int) -> None: ...

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        raise Stopped({number: accuracy})


@pytest.fixture
def store(finished: Lane, tmp_path: Path) -> Store:
    """The store of the finished lane: its teacher and logits are reused."""
    shutil.copytree(finished.out / ".store", tmp_path / ".store")
    return Store(tmp_path / ".store")


def student(lane: Lane, *, epochs: int) -> Recipe:
    return lane.recipe(*QUICK, ("distill.epochs", epochs))


@pytest.fixture
def cluster(store: Store) -> Cluster:
    return InProcess(store=store)


def test_outcomes_are_in_the_order_of_the_tasks_and_one_failure_leaves_the_others(
    cluster: Cluster, finished: Lane, store: Store
) -> None:
    missing = finished.recipe(*QUICK, ("dataset.path", "missing.npz"))
    tasks = [
        Task(name="missing data", recipe=missing),
        Task(name="stopped", recipe=student(finished, epochs=2), watch=Impatient),
        Task(name="one epoch", recipe=student(finished, epochs=1)),
    ]
    failed, stopped, made = cluster.make(tasks, console=SilentConsole())
    assert [one.task for one in (failed, stopped, made)] == tasks
    assert isinstance(failed.error, InputError)
    assert "missing.npz" in str(failed.error)
    assert stopped.stopped is not None
    assert list(stopped.stopped.accuracies) == [1]
    assert (made.error, made.stopped) == (None, None)
    assert len(list(store.root.glob("distill-*"))) == 2
