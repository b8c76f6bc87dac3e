"""A tracker that fails stops, and nothing else does."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

from pipeline.tracking.contract import Tracker
from targets.errors import printable

LIMIT_S = 15.0
"""For one report: a server that hangs costs a run so long, once."""
START_S, UPLOAD_S = 30.0, 120.0
"""The first request wakes a server up; the last one uploads the models."""
FREE_S, SHARE = 60.0, 0.05
"""All other reports together: a slow server costs a run this share of its time, or so long."""


class TrackingError(Exception):
    """What a tracker raised, or that it did not answer."""


@dataclass
class Guarded:
    name: str
    say: Callable[[str], None]
    tracker: Tracker | None
    """None where it has failed."""
    begun: float = field(default_factory=time.monotonic)
    spent_s: float = 0.0

    def tell(self, action: Callable[[Tracker], object], *, limit_s: float | None = None) -> None:
        tracker = self.tracker
        if tracker is None:
            return
        before = time.monotonic()
        try:
            within(LIMIT_S if limit_s is None else limit_s, lambda: action(tracker))
            if limit_s is None:
                self._spend(time.monotonic() - before)
        except TrackingError as error:
            self.tracker = None
            self.say(failure(self.name, error))

    def _spend(self, seconds: float) -> None:
        self.spent_s += seconds
        if self.spent_s > max(FREE_S, SHARE * (time.monotonic() - self.begun)):
            raise TrackingError(f"it has taken {self.spent_s:.3g} s of the run so far")


def opened(name: str, make: Callable[[], Tracker], say: Callable[[str], None]) -> Guarded:
    """The tracker that `make` imports and makes, started; without a time limit for the import."""
    try:
        tracker = make()
    except Exception as error:  # of a library that may be of any version
        say(failure(name, error))
        return Guarded(name, say, None)
    guarded = Guarded(name, say, tracker)
    guarded.tell(lambda made: made.start(), limit_s=START_S)
    return guarded


def failure(name: str, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"tracking  {name} stops, and the run goes on: {printable(lines[0][:300])}"


def within(limit_s: float, action: Callable[[], object]) -> None:
    """Call `action` in a thread, which is left behind where it does not return in time."""
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            action()
        except BaseException as error:  # SystemExit of a library too
            ended.put(error)
        else:
            ended.put(None)

    Thread(target=work, daemon=True, name="tracking").start()
    try:
        error = ended.get(timeout=limit_s)
    except Empty:
        raise TrackingError(f"no answer within {limit_s:g} s") from None
    if error is not None:
        raise TrackingError(str(error) or type(error).__name__) from error
