"""Processes that do one piece of work together: when one is lost, all of them start anew.

Plain actors of Ray. Ray Train's `TensorflowTrainer` does the same for one more gigabyte of process
tree and 4 to 13 s of imports, waits 23 s before it replaces a worker, needs a storage of its own
beside the store, and `fit` neither ends at SIGTERM nor lets this process print progress.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from pipeline.cluster.ray_session import ray_session, signals_held_back
from pipeline.cluster.relay import Event, Send
from targets.errors import EdgeDistillError, InputError

STARTS = 3
"""How often the workers are started at most; one that dies more often does so for a reason."""
PAUSE_S = 0.25
DEATH_S = 10.0
VERSIONS = ("edge-distill", "tensorflow")
"""What must be the same on all machines."""


class WorkerLostError(Exception):
    """A worker has died, or can no longer reach another one."""


class WorkersDiedError(EdgeDistillError):
    """The workers died again and again."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """What the work in one of the processes gets."""

    number: int
    """From 0; the result of 0 is that of the gang, and its events are shown."""
    addresses: Sequence[str]
    """host:port of every process, free on its machine."""
    send: Send


Made = TypeVar("Made", covariant=True)


class Work(Protocol[Made]):
    """Can be pickled. Raises `WorkerLostError` where another process is gone."""

    def __call__(self, member: Member) -> Made: ...


@dataclass(frozen=True, kw_only=True)
class Place:
    host: str
    address: str
    versions: Mapping[str, str]


class Worker:
    """An actor: it works in one thread and gives its events in another."""

    def __init__(self) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()

    def place(self) -> Place:
        import ray.util

        host = ray.util.get_node_ip_address()
        with socket.socket() as free:
            free.bind((host, 0))
            port = free.getsockname()[1]
        return Place(host=host, address=f"{host}:{port}", versions=_versions())

    def work(self, work: Work[Made], number: int, addresses: Sequence[str]) -> Made:
        return work(Member(number=number, addresses=addresses, send=self._events.put))

    def events(self) -> list[Event]:
        found = []
        try:
            while True:
                found.append(self._events.get_nowait())
        except Empty:
            return found


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in VERSIONS}


def together(
    work: Work[Made],
    *,
    workers: int,
    threads: int,
    show: Callable[[Event], None],
    say: Callable[[str], None],
) -> Made:
    """The result of worker 0 of as many. `threads` are the CPUs that each of them gets.

    Errors of ours come back as they are. A signal ends the workers and is raised again here.
    """
    with signals_held_back() as signals, ray_session(cpus=workers * threads):
        _require_room(workers, threads)
        for left in reversed(range(STARTS)):
            gang = Gang[Made](workers=workers, threads=threads, signals=signals, show=show)
            try:
                return gang.run(work)
            except WorkerLostError as lost:
                if not left:
                    raise WorkersDiedError(
                        f"workers: one of {workers} died {STARTS} times, at last: {lost}. Lower "
                        "workers or batch_size if memory ran out; the same command goes on after "
                        "the last finished epoch."
                    ) from lost
                say(f"workers   {lost}; all start again after the last finished epoch")
    raise AssertionError("a signal ends the loop")


class Interrupted(Exception):
    """A signal has arrived; it is raised again outside."""


@dataclass(frozen=True, kw_only=True)
class Gang(Generic[Made]):
    workers: int
    threads: int
    signals: Sequence[int]
    """Not empty once one has arrived."""
    show: Callable[[Event], None]

    def run(self, work: Work[Made]) -> Made:
        """Raises `WorkerLostError`, and what the work raises."""
        from ray.exceptions import RayActorError, RayTaskError
        from ray.util import placement_group, remove_placement_group

        # All places or none: two gangs with half of theirs would wait for each other.
        group = placement_group([{"CPU": self.threads}] * self.workers)
        actors: list[Any] = []
        try:
            self._got([group.ready()])
            actors += [_actor(group, self.threads) for _ in range(self.workers)]
            places = self._got([actor.place.remote() for actor in actors])
            _require_same_versions(places)
            return self._work(work, actors, [place.address for place in places])
        except RayTaskError as error:
            raise error.cause from None
        except RayActorError as error:
            raise WorkerLostError("a worker has died") from error
        finally:
            remove_placement_group(group)

    def _work(self, work: Work[Made], actors: Sequence[Any], addresses: Sequence[str]) -> Made:
        """The result of the first actor; the others have nothing to give."""
        import ray

        results = [
            actor.work.remote(work, number, addresses) for number, actor in enumerate(actors)
        ]
        pending, heard = results, None
        try:
            while results[0] in pending:
                done, pending = self._waited(pending)
                heard = self._shown(heard) or actors[0].events.remote()
                ray.get(done)  # raises what a worker has raised
            self._shown(heard, timeout_s=DEATH_S)
            self._shown(actors[0].events.remote(), timeout_s=DEATH_S)
            made: Made = ray.get(results[0])
            return made
        finally:
            for actor in actors:
                ray.kill(actor)
            ray.wait(results, num_returns=len(results), timeout=DEATH_S)  # none writes any more

    def _got(self, results: Sequence[Any]) -> list[Any]:
        import ray

        pending = list(results)
        while pending:
            _, pending = self._waited(pending)
        got: list[Any] = ray.get(list(results))
        return got

    def _waited(self, pending: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Those that are done, after a moment, and those that are not."""
        import ray

        waited: tuple[list[Any], list[Any]] = ray.wait(list(pending), timeout=PAUSE_S)
        if self.signals:
            raise Interrupted
        return waited

    def _shown(self, heard: Any, *, timeout_s: float = 0) -> Any:
        """Show the events that have come; what is still waited for."""
        import ray

        if heard is None or not ray.wait([heard], timeout=timeout_s)[0]:
            return heard
        for event in ray.get(heard):
            self.show(event)
        return None


def _actor(group: Any, threads: int) -> Any:
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    place = PlacementGroupSchedulingStrategy(placement_group=group)
    remote = ray.remote(Worker).options(
        num_cpus=threads, max_concurrency=2, scheduling_strategy=place
    )
    return remote.remote()


def _require_room(workers: int, threads: int) -> None:
    import ray

    cpus = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if sum(count // threads for count in cpus) < workers:
        raise InputError(
            f"workers: {workers} workers with {threads} threads each do not fit the cluster, whose "
            f"machines have {', '.join(map(str, cpus))} CPUs. Set `threads` to the CPUs of a "
            "machine over the workers on it, or lower `workers`."
        )


def _require_same_versions(places: Sequence[Place]) -> None:
    own = _versions()
    for place in places:
        for name, version in own.items():
            if place.versions[name] != version:
                raise InputError(
                    f"workers: {place.host} has {name} {place.versions[name]} and this machine "
                    f"{version}: their results would differ. Install the same version on both."
                )
