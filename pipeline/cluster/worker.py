"""What runs in a worker process of Ray. Its machine has the driver's packages, and its store or its
object store."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.cluster.contract import Outcome, Task
from pipeline.cluster.events import Begun, Ended, EpochDone, Event, Said, Stepped
from pipeline.cluster.landmarks import Landmark
from pipeline.cluster.versions import Versions, versions
from pipeline.engine.progress import EpochProgress
from pipeline.engine.remote.address import Address
from pipeline.engine.remote.shared_store import of_this_machine
from pipeline.engine.store import Store

STEP_S = 0.5
"""Seconds between two reports of steps."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A machine as a worker sees it."""

    host: str
    versions: Versions
    fault: str | None
    """Why it cannot use the driver's store."""


def probe(landmark: Landmark) -> Worker:
    return Worker(host=socket.gethostname(), versions=versions(), fault=landmark.fault())


def made(task: Task, number: int, *, place: Path | Address, folder: Path, mailbox: Any) -> Outcome:
    """The outcome of a task; `place` is the store, and `folder` what relative paths of its recipe
    begin at."""
    from pipeline.cluster.here import outcome

    with suppress(OSError):  # without it, the paths are absolute, or not found
        os.chdir(folder)
    sender = Sender(mailbox=mailbox, task=number)
    store = Store(place) if isinstance(place, Path) else of_this_machine(place)
    result = outcome(task, store=store, console=sender)
    sender.flush()
    return result


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A console that reports to the driver, and waits for nothing."""

    mailbox: Any
    """The handle of an actor of Ray, `Mailbox`."""
    task: int

    def post(self, event: Event) -> None:
        self.mailbox.post.remote(self.task, event)

    def flush(self) -> None:
        """Wait until all is delivered: the process ends behind its task."""
        import ray

        with suppress(ray.exceptions.RayError):  # progress is worth no training
            ray.get(self.mailbox.post.remote(self.task, Ended()), timeout=30)

    def say(self, text: str) -> None:
        self.post(Said(text=text))

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        self.post(Begun(stage=stage, first=first, total=total))
        yield SentEpochs(sender=self)
        self.post(Ended())


@dataclass
class SentEpochs:
    sender: Sender
    sent: float = field(default_factory=time.monotonic)

    def step(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self.sent >= STEP_S:
            self.sent = now
            self.sender.post(Stepped(done=done, of=of))

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self.sender.post(EpochDone(number=number, loss=loss, accuracy=accuracy))
