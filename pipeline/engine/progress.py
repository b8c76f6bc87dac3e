"""Progress for a person: bars on a terminal, plain lines elsewhere, all on stderr."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.progress import Progress


class EpochProgress(Protocol):
    """The training loop reports to it."""

    def step(self, done: int, of: int) -> None: ...

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None: ...


class Console(Protocol):
    """What stages report to; results go to stdout instead."""

    def say(self, text: str) -> None: ...

    def epochs(
        self, stage: str, *, first: int, total: int
    ) -> AbstractContextManager[EpochProgress]:
        """The progress of the epochs `first`..`total` of a stage."""


class Stopped(Exception):
    """Raised by a console: the training is not worth its remaining epochs. Its unfinished work is
    removed."""

    def __init__(self, accuracies: Mapping[int, float]) -> None:
        super().__init__(accuracies)
        self.accuracies = dict(accuracies)
        """Epoch, from 1 -> accuracy on the validation split; of those that the console has seen."""


def console() -> Console:
    return TerminalConsole() if sys.stderr.isatty() else PlainConsole()


class PlainConsole:
    """One line per event: for logs and CI."""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        yield PlainEpochs(stage=stage, first=first, total=total)


@dataclass
class PlainEpochs:
    stage: str
    first: int
    total: int
    started: float = field(default_factory=time.monotonic)

    def step(self, done: int, of: int) -> None:
        """Nothing: a line per step would drown a log."""

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        spent = time.monotonic() - self.started
        left = spent / (number - self.first + 1) * (self.total - number)
        print(
            f"{self.stage:<9} epoch {number}/{self.total}  loss {loss:.4f}  "
            f"validation {100 * accuracy:.2f} %  left {clock(left)}",
            file=sys.stderr,
            flush=True,
        )


class TerminalConsole:
    """Bars by rich."""

    def __init__(self, rich: "Rich | None" = None) -> None:
        from rich.console import Console as Rich

        self._rich = rich or Rich(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        self._rich.print(text, markup=False)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(f"{stage:<9}"),
            BarColumn(),
            TextColumn("epoch {task.fields[number]}/{task.fields[epochs]}"),
            TextColumn("{task.fields[figures]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._rich) as bar:
            yield BarEpochs(bar=bar, first=first, total=total)


class BarEpochs:
    def __init__(self, *, bar: "Progress", first: int, total: int) -> None:
        self._bar, self._done, self._epochs = bar, 0, total
        self._task = bar.add_task(
            "", total=total - first + 1, number=first, epochs=total, figures=""
        )

    def step(self, done: int, of: int) -> None:
        self._bar.update(self._task, completed=self._done + done / of)

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self._done += 1
        self._bar.update(
            self._task,
            completed=self._done,
            number=min(number + 1, self._epochs),
            figures=f"loss {loss:.4f}  validation {100 * accuracy:.2f} %",
        )


@dataclass
class SilentConsole:
    """The fake: prints nothing, and keeps the lines."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        yield SilentEpochs()


class SilentEpochs:
    def step(self, done: int, of: int) -> None: ...

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None: ...


def clock(seconds: float) -> str:
    """`minutes:seconds`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
