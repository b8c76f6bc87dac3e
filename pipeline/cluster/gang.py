"""Processes that do one piece of work together: when one is lost, all of them start anew.

Plain actors of Ray. Ray Train's `TensorflowTrainer` also sets `TF_CONFIG` and starts lost workers
again, but its `fit` blocks inside Ray, where the handlers of our signals are swallowed, it wants a
storage of its own beside the store, and it took 5 to 13 s to import and 23 s to replace a worker.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Generic, Protocol, TypeVar

from pipeline.cluster.contract import UnfinishedError
from pipeline.cluster.events import Event, Mailbox
from pipeline.cluster.ray_session import AUTO, LOCAL, connected
from pipeline.cluster.signals import deferred
from pipeline.engine.store import Store
from targets.errors import InputError, missing_package

STARTS = 3
"""How often the workers are started at most; one that dies more often does so for a reason."""
POLL_S = 0.25
DEATH_S = 10.0


class WorkerLostError(Exception):
    """A worker has died, or can no longer reach another one."""


class WorkersDiedError(UnfinishedError):
    """The workers died again and again."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """What the work in one of the processes gets."""

    number: int
    """From 0; the result of 0 is that of the gang."""
    addresses: Sequence[str]
    """host:port of every process, free on its machine."""
    mailbox: Any
    """The handle of an actor, `Mailbox`."""


Made = TypeVar("Made", covariant=True)


class Work(Protocol[Made]):
    """Can be pickled. Raises `WorkerLostError` where another process is gone."""

    def __call__(self, member: Member) -> Made: ...


class Worker:
    """An actor: one of the processes."""

    def address(self) -> str:
        from ray.util import get_node_ip_address

        host = get_node_ip_address()
        with socket.socket() as free:
            free.bind((host, 0))
            return f"{host}:{free.getsockname()[1]}"

    def work(self, work: Work[Made], member: Member) -> Made:
        return work(member)


def together(
    work: Work[Made],
    *,
    workers: int,
    threads: int,
    store: Store,
    show: Callable[[Event], None],
    say: Callable[[str], None],
) -> Made:
    """The result of the first of the workers; `threads` are the CPUs of each.

    Errors of ours come back as they are. A signal ends the workers before it is handled.
    """
    with _ray(workers, store) as cpus, deferred() as heed:
        _require_room(workers, threads, cpus)
        gang = Gang[Made](workers=workers, threads=threads, heed=heed, show=show)
        for _ in range(STARTS - 1):
            try:
                return gang.run(work)
            except WorkerLostError as lost:
                say(f"workers   {lost}; all start again behind the last finished epoch")
        try:
            return gang.run(work)
        except WorkerLostError as lost:
            raise WorkersDiedError(
                f"workers: one of {workers} died in each of {STARTS} starts, at last: {lost}. "
                "Lower workers or batch_size if memory ran out; the same command goes on behind "
                "the last finished epoch."
            ) from lost


@contextmanager
def _ray(workers: int, store: Store) -> Iterator[list[int]]:
    """Ray of this process, else the cluster of RAY_ADDRESS, else this machine: its CPUs."""
    if find_spec("ray") is None:
        raise missing_package("edge-distill[ray]", needed_for=f"workers = {workers}")
    cluster = AUTO if os.environ.get("RAY_ADDRESS") else LOCAL
    with nullcontext() if _is_connected() else connected(cluster):
        if cluster == AUTO:
            from pipeline.cluster.admission import admitted
            from pipeline.cluster.landmarks import marked_folder

            # The folder also where an object store is behind it: they work in it together.
            with marked_folder(store) as landmark:
                cpus = admitted(landmark)
            yield cpus
        else:
            import ray

            nodes = (node for node in ray.nodes() if node["Alive"])
            yield [int(node["Resources"].get("CPU", 0)) for node in nodes]


def _is_connected() -> bool:
    # `connected` imports Ray itself: its settings are read by the import.
    imported = sys.modules.get("ray")
    return imported is not None and imported.is_initialized()


def _require_room(workers: int, threads: int, cpus: Sequence[int]) -> None:
    if sum(count // threads for count in cpus) < workers:
        raise InputError(
            f"workers: {workers} workers with {threads} threads each do not fit machines with "
            f"{' and '.join(map(str, cpus))} CPUs. Set `threads` to the CPUs that each worker can "
            "have, or lower `workers`."
        )


@dataclass(frozen=True, kw_only=True)
class Gang(Generic[Made]):
    workers: int
    threads: int
    heed: Callable[[], None]
    """Raises where a signal has come."""
    show: Callable[[Event], None]

    def run(self, work: Work[Made]) -> Made:
        """Raises `WorkerLostError`, and what the work raises."""
        from ray.exceptions import RayActorError, RayTaskError
        from ray.util import placement_group, remove_placement_group

        # All places or none: two gangs with half of theirs would wait for each other.
        group = placement_group([{"CPU": self.threads}] * self.workers)
        try:
            self._got([group.ready()])
            return self._made(work, [_actor(group, self.threads) for _ in range(self.workers)])
        except RayTaskError as error:
            raise error.cause from None
        except RayActorError as error:
            raise WorkerLostError("a worker has died") from error
        finally:
            remove_placement_group(group)

    def _made(self, work: Work[Made], actors: Sequence[Any]) -> Made:
        import ray

        mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
        results: list[Any] = []
        try:
            addresses = self._got([actor.address.remote() for actor in actors])
            for number, actor in enumerate(actors):
                member = Member(number=number, addresses=addresses, mailbox=mailbox)
                results.append(actor.work.remote(work, member))
            return self._first(results, mailbox)
        finally:
            for actor in actors:
                ray.kill(actor)
            _wait_for_the_end(results)
            ray.kill(mailbox)

    def _first(self, results: list[Any], mailbox: Any) -> Made:
        """The first result; what the others make is not used, and what they raise is."""
        import ray

        left = list(results)
        while results[0] in left:
            done, left = self._waited(left)
            for _, event in ray.get(mailbox.take.remote()):
                self.show(event)
            ray.get(done)
        made: Made = ray.get(results[0])
        return made

    def _got(self, results: Sequence[Any]) -> list[Any]:
        import ray

        left = list(results)
        while left:
            _, left = self._waited(left)
        got: list[Any] = ray.get(list(results))
        return got

    def _waited(self, left: list[Any]) -> tuple[list[Any], list[Any]]:
        """Those that are done after a moment, and those that are not."""
        import ray

        waited: tuple[list[Any], list[Any]] = ray.wait(left, timeout=POLL_S)
        self.heed()
        return waited


def _actor(group: Any, threads: int) -> Any:
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    place = PlacementGroupSchedulingStrategy(placement_group=group)
    return ray.remote(Worker).options(num_cpus=threads, scheduling_strategy=place).remote()


def _wait_for_the_end(results: list[Any]) -> None:
    """Of killed actors, before others start. `Distribution.begin` notices a checkpoint that one
    of them still writes."""
    import ray

    if results:
        ray.wait(results, num_returns=len(results), timeout=DEATH_S)
