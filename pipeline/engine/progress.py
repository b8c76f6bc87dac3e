"""Progress for a person: bars on a terminal, plain lines elsewhere, all on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.progress import Progress


class EpochProgress(Protocol):
    """The training loop reports to it."""

    def step(self, done: int, of: int) -> None: ...

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        """An epoch is done, and kept. Those before the first are told again: a kill may have come
        before the interrupted run told of them."""


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

    def __init__(self, epoch: int, accuracy: float) -> None:
        super().__init__(epoch, accuracy)  # so that it can be pickled
        self.epoch = epoch
        """From 1; the last one."""
        self.accuracy = accuracy
        """Its accuracy on the validation split."""


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
        if number < self.first:
            return
        spent = time.monotonic() - self.started
        left = spent / (number - self.first + 1) * (self.total - number)
        print(
            f"{self.stage:<9} epoch {number}/{self.total}  loss {loss:.4f}  "
            f"validation {100 * accuracy:.2f} %  left {clock(left)}",
            file=sys.stderr,
            flush=True,
        )


class TerminalConsole:
    """Bars by rich; several at the same time are one below the other."""

    def __init__(self, rich: "Rich | None" = None) -> None:
        from rich.console import Console as Rich

        self._rich = rich or Rich(stderr=True, highlight=False)
        self._bars: list[BarEpochs] = []
        """Those that run."""

    def say(self, text: str) -> None:
        self._rich.print(text, markup=False)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        progress = self._bars[0].progress if self._bars else self._progress()
        bar = BarEpochs(progress=progress, stage=stage, first=first, total=total)
        self._bars.append(bar)
        try:
            yield bar
        finally:
            self._bars.remove(bar)
            if self._bars:
                bar.leave()
            else:
                progress.stop()

    def _progress(self) -> "Progress":
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TextColumn("epoch {task.fields[number]}/{task.fields[epochs]}"),
            TextColumn("{task.fields[figures]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        progress = Progress(*columns, console=self._rich)
        progress.start()
        return progress


class BarEpochs:
    def __init__(self, *, progress: "Progress", stage: str, first: int, total: int) -> None:
        self.progress, self._done, self._epochs = progress, 0, total
        self._first = first
        self._task = progress.add_task(
            stage, total=total - first + 1, number=first, epochs=total, figures=""
        )

    def leave(self) -> None:
        """Make room for the bars that still run."""
        self.progress.remove_task(self._task)
        self.progress.refresh()

    def step(self, done: int, of: int) -> None:
        self.progress.update(self._task, completed=self._done + done / of)

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self._done = max(0, number - self._first + 1)
        self.progress.update(
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
