"""What tasks report on their way to the driver, and the console that shows all of them."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from pipeline.engine.progress import Console, EpochProgress


@dataclass(frozen=True, kw_only=True)
class Said:
    text: str


@dataclass(frozen=True, kw_only=True)
class Begun:
    stage: str
    first: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Stepped:
    done: int
    of: int


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    number: int
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The epochs of a stage, or the task."""


Event = Said | Begun | Stepped | EpochDone | Ended


class Mailbox:
    """An actor of Ray: workers post, the driver takes."""

    def __init__(self) -> None:
        self._posted: list[tuple[int, Event]] = []

    def post(self, task: int, event: Event) -> None:
        self._posted.append((task, event))

    def take(self) -> list[tuple[int, Event]]:
        taken, self._posted = self._posted, []
        return taken


@dataclass(frozen=True, kw_only=True)
class Board:
    """Replays the events of many tasks on one console; each line begins with the task's name,
    if it has one."""

    console: Console
    names: Sequence[str]
    _shown: dict[int, tuple[ExitStack, EpochProgress]] = field(default_factory=dict)

    def show(self, task: int, event: Event) -> None:
        match event:
            case Said(text=text):
                self.console.say(f"{self._prefix(task)}{text}")
            case Begun():
                self._begin(task, event)
            case Ended():
                self._end(task)
            case Stepped(done=done, of=of) if task in self._shown:
                self._shown[task][1].step(done, of)
            case EpochDone(number=number, loss=loss, accuracy=accuracy) if task in self._shown:
                self._shown[task][1].epoch(number, loss=loss, accuracy=accuracy)

    def close(self) -> None:
        for task in tuple(self._shown):
            self._end(task)

    def _begin(self, task: int, event: Begun) -> None:
        self._end(task)  # of a worker that was killed
        stack = ExitStack()
        prefix = self._prefix(task)
        label = f"{prefix}{event.stage:<9}" if prefix else event.stage
        bar = self.console.epochs(label, first=event.first, total=event.total)
        self._shown[task] = (stack, stack.enter_context(bar))

    def _prefix(self, task: int) -> str:
        return f"{self.names[task]}: " if self.names[task] else ""

    def _end(self, task: int) -> None:
        if task in self._shown:
            self._shown.pop(task)[0].close()
