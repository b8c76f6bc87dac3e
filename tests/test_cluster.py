"""Independent trainings, in this process and as tasks of Ray: one contract."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from pipeline.cluster.contract import Cluster, Outcome, Task
from pipeline.cluster.here import InProcess
from pipeline.cluster.landmarks import MarkedFolder, marked
from pipeline.cluster.ray_session import connected
from pipeline.cluster.versions import versions
from pipeline.cluster.worker import probe
from pipeline.engine.progress import Console, EpochProgress, SilentConsole, Stopped
from pipeline.engine.store import Store, digests
from pipeline.recipe.schema import Recipe
from targets.errors import InputError
from tests.conftest import Lane

QUICK = (("convert.precisions", ["float32"]), ("convert.targets", ["tflite"]))
KILLED = "killed worker"


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
        raise Stopped(number, accuracy)


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """One cluster for all tests: it starts in some seconds."""
    with connected("local"):
        yield


def copied(finished: Lane, folder: Path) -> Store:
    """The teacher and the logits of the finished lane."""
    for stage in ("teacher", "logits"):
        (made,) = (finished.out / ".store").glob(f"{stage}-*")
        shutil.copytree(made, folder / made.name)
    return Store(folder)


def student(lane: Lane, *, epochs: int) -> Recipe:
    return lane.recipe(*QUICK, ("distill.epochs", epochs))


def stored(store: Store) -> dict[str, dict[str, str]]:
    """The digests of every result but its manifest, which holds times."""
    found = {path.name: digests(path) for path in sorted(store.root.glob("*-*"))}
    for files in found.values():
        del files["manifest.json"]
    return found


@dataclass
class Killing(SilentConsole):
    """Kills the worker when its second epoch is reported."""

    begun: list[int] = field(default_factory=list)
    killed: int = 0

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        self.begun.append(first)
        yield self

    def step(self, done: int, of: int) -> None: ...

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        if number == 2 and not self.killed:
            for process in psutil.Process().children(recursive=True):
                if process.cmdline()[:1] and KILLED in process.cmdline()[0]:
                    process.kill()
                    self.killed += 1


def tasks(lane: Lane) -> list[Task]:
    missing = lane.recipe(*QUICK, ("dataset.path", "missing.npz"))
    return [
        Task(name="missing data", recipe=missing),
        Task(name="stopped", recipe=student(lane, epochs=2), watch=Impatient),
        Task(name=KILLED, recipe=student(lane, epochs=30)),
    ]


@dataclass(frozen=True)
class Made:
    outcomes: list[Outcome]
    store: Store
    console: Killing


def made(cluster: Cluster, store: Store, lane: Lane) -> Made:
    console = Killing()
    return Made(cluster.make(tasks(lane), console=console), store, console)


@pytest.fixture(scope="module")
def here(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Made:
    store = copied(finished, tmp_path_factory.mktemp("here"))
    return made(InProcess(store=store), store, finished)


@pytest.fixture(scope="module")
def there(ray: None, finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Made:
    from pipeline.cluster.ray_tasks import ray_tasks

    store = copied(finished, tmp_path_factory.mktemp("there"))
    return made(ray_tasks(store, threads=1), store, finished)


@pytest.mark.parametrize("where", ["here", "there"])
def test_outcomes_are_in_the_order_of_the_tasks_and_one_failure_leaves_the_others(
    where: str, request: pytest.FixtureRequest
) -> None:
    result: Made = request.getfixturevalue(where)
    failed, stopped, whole = result.outcomes
    assert [one.task.name for one in result.outcomes] == ["missing data", "stopped", KILLED]
    assert isinstance(failed.error, InputError)
    assert "missing.npz" in str(failed.error)
    assert "Traceback" not in str(failed.error)
    assert stopped.stopped is not None
    assert stopped.stopped.epoch == 1
    assert (whole.error, whole.stopped) == (None, None)
    assert whole.wall_s > 0


def test_a_killed_worker_goes_on_elsewhere_to_the_bytes_of_this_process(
    here: Made, there: Made
) -> None:
    assert (here.console.killed, there.console.killed) == (0, 1)
    first, again = there.console.begun
    assert (first, again > 1) == (1, True)
    assert [name.partition("-")[0] for name in stored(there.store)] == [
        *("convert", "distill", "logits", "teacher"),
    ]
    assert stored(there.store) == stored(here.store)
    assert not list(there.store.root.glob("work/cluster-*"))


def test_lines_of_a_task_arrive_with_its_name(there: Made) -> None:
    assert any(line.startswith(f"{KILLED}: convert   done in") for line in there.console.lines)


def test_a_worker_of_another_version_is_refused_with_both(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.cluster import admission

    other = {**versions(), "tensorflow": "1.15.0"}
    monkeypatch.setattr(admission, "versions", lambda: other)
    mine = versions()["tensorflow"]
    with (
        marked(Store(tmp_path)) as landmark,
        pytest.raises(InputError, match=rf"tensorflow {mine} there, 1\.15\.0 here"),
    ):
        admission.admitted(landmark)


@pytest.mark.parametrize(
    ("contents", "writable", "says"),
    [
        (None, True, "does not see the store"),
        ("of another store", True, "does not see the store"),
        ("ours", False, "cannot write to the store"),
    ],
)
def test_a_worker_without_our_store_is_refused(
    ray: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    contents: str | None,
    writable: bool,
    says: str,
) -> None:
    from pipeline.cluster.admission import _require_ours

    landmark = MarkedFolder(marker=tmp_path / "work" / "cluster-x", contents="ours")
    landmark.marker.parent.mkdir()
    landmark.marker.write_text("ours")
    _require_ours(probe(landmark), "there")
    if contents is None:
        landmark.marker.unlink()
    else:
        landmark.marker.write_text(contents)
    monkeypatch.setattr(os, "access", lambda path, mode: writable)  # root may write everywhere
    with pytest.raises(InputError, match=f"the worker on there {says}"):
        _require_ours(probe(landmark), "there")
