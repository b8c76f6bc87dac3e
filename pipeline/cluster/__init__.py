"""Where independent trainings run: in this process, or as tasks of Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.cluster.contract import Cluster
    from pipeline.engine.store import Store


@contextmanager
def cluster(name: str | None, store: "Store", *, threads: int = 1) -> "Iterator[Cluster]":
    """`local`, `auto` or an address of Ray; None is this process. `threads` are those of the
    recipes: each task takes as many CPUs."""
    if name is None:
        from pipeline.cluster.here import InProcess

        yield InProcess(store=store)
        return
    from pipeline.cluster.ray_session import connected

    with connected(name):
        from pipeline.cluster.ray_tasks import ray_tasks

        yield ray_tasks(store, threads=threads)
