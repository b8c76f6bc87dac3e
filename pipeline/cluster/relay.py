"""The progress of a training in another process, shown by the console of this one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.engine.progress import Console, EpochProgress


class Said(NamedTuple):
    text: str


class Begun(NamedTuple):
    stage: str
    first: int
    total: int


class Stepped(NamedTuple):
    done: int
    of: int


class Epoch(NamedTuple):
    number: int
    loss: float
    accuracy: float


class Ended(NamedTuple):
    """The last epoch is done, or the training failed."""


Event = Said | Begun | Stepped | Epoch | Ended
Send = Callable[[Event], None]


@dataclass(frozen=True)
class RelayConsole:
    """The console of a worker."""

    send: Send

    def say(self, text: str) -> None:
        self.send(Said(text))

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        self.send(Begun(stage, first, total))
        yield RelayEpochs(self.send)
        self.send(Ended())


@dataclass(frozen=True)
class RelayEpochs:
    send: Send

    def step(self, done: int, of: int) -> None:
        self.send(Stepped(done, of))

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self.send(Epoch(number, loss, accuracy))


@dataclass
class Shown:
    """Shows the events of a worker, and of another one that goes on in its place."""

    console: Console
    _open: ExitStack = field(default_factory=ExitStack)
    _epochs: EpochProgress | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Said(text):
                self.console.say(text)
            case Begun(stage, first, total):
                self.close()
                shown = self.console.epochs(stage, first=first, total=total)
                self._epochs = self._open.enter_context(shown)
            case Stepped(done, of) if self._epochs:
                self._epochs.step(done, of)
            case Epoch(number, loss, accuracy) if self._epochs:
                self._epochs.epoch(number, loss=loss, accuracy=accuracy)
            case Ended():
                self.close()

    def close(self) -> None:
        self._open.close()
        self._epochs = None
