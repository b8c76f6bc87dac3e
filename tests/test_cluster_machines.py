"""A cluster of several machines: raylets of their own, here on one machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import ray_session
from pipeline.cluster.contract import Task
from pipeline.cluster.ray_session import connected
from pipeline.engine.progress import Console, SilentConsole
from targets.errors import InputError
from tests.conftest import Lane
from tests.test_cluster import copied, student


class Ray:
    """In the place of the module: the first tries to connect fail."""

    def __init__(self, error: Exception, failing: int) -> None:
        self.error, self.left, self.tries = error, failing, 0

    def init(self, **settings: object) -> None:
        self.tries += 1
        if self.tries <= self.left:
            raise self.error


BUSY = ConnectionAbortedError(
    "Initialization failure from server:\nTraceback (most recent call last):\n  File ...\n"
    "RuntimeError: Proxy failed to Connect to backend! Check the logs."
)


def test_a_head_that_is_too_busy_at_first_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = Ray(BUSY, failing=1)
    monkeypatch.setattr(ray_session, "_connect", ray.init)
    ray_session._init("ray://head:1", {})
    assert ray.tries == 2


@pytest.mark.parametrize(
    ("error", "tries", "says"),
    [
        (BUSY, 2, "at ray://head:1: RuntimeError: Proxy failed to Connect to backend! Check"),
        (ConnectionError("timeout"), 1, "at ray://head:1: timeout. Check the address"),
        (RuntimeError("Version mismatch:\n  Ray: 1"), 1, "Version mismatch: Ray: 1. Check"),
    ],
)
def test_a_connection_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int, says: str
) -> None:
    ray = Ray(error, failing=9)
    monkeypatch.setattr(ray_session, "_connect", ray.init)
    with pytest.raises(InputError, match=says) as raised:
        ray_session._init("ray://head:1", {})
    assert ray.tries == tries
    assert "\n" not in str(raised.value)


@dataclass(frozen=True)
class Noting:
    """Leaves a file with the name of the machine that trains."""

    folder: Path

    def __call__(self, console: Console) -> Console:
        import ray

        (self.folder / ray.get_runtime_context().get_node_id()).touch()
        return console


@pytest.fixture
def machines() -> Iterator[Any]:
    """Two, of one CPU each."""
    from ray.cluster_utils import Cluster

    one = {"num_cpus": 1, "object_store_memory": ray_session.OBJECTS_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**one, "include_dashboard": False})
    try:
        cluster.add_node(**one)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_machines_train_at_the_same_time_and_one_without_our_package_is_refused(
    machines: Any, finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.cluster.ray_tasks import ray_tasks

    store, noted = copied(finished, tmp_path / "store"), tmp_path / "noted"
    noted.mkdir()
    monkeypatch.chdir(noted)  # workers look for packages in the driver's folder first
    tasks = [
        Task(name=f"{epochs}", recipe=student(finished, epochs=epochs), watch=Noting(noted))
        for epochs in (1, 2)
    ]
    with connected(machines.address):
        cluster = ray_tasks(store, threads=1)
        assert cluster.workers == 2
        assert [one.error for one in cluster.make(tasks, console=SilentConsole())] == [None, None]
        assert len(list(noted.iterdir())) == 2
        package = tmp_path / "broken" / "pipeline" / "__init__.py"
        package.parent.mkdir(parents=True)
        package.write_text("raise ImportError('half of it')\n")
        where = {"PYTHONPATH": str(tmp_path / "broken")}
        broken = machines.add_node(num_cpus=1, env_vars=where)
        with pytest.raises(InputError, match=r"cannot load edge-distill .*: half of it"):
            ray_tasks(store, threads=1)
        machines.remove_node(broken)
        assert ray_tasks(store, threads=1).workers == 2
