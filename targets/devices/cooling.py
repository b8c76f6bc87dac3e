"""Each block begins at the temperature of the first one: MLPerf Mobile's rules, 2.9."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from targets.devices.contract import Link, Say

RISE_C = 2.0
LONGEST_S = 300.0
LIMIT_S = 30.0
READ = "cat /sys/class/thermal/thermal_zone*/temp 2>/dev/null; true"


def temperature(link: Link) -> float | None:
    """Return the temperature of the hottest thermal zone in degrees C; None if none can be read."""
    done = link.run(["sh", "-c", READ], env={}, timeout_s=LIMIT_S)
    millidegrees = [int(word) for word in done.stdout.split() if word.lstrip("-").isdigit()]
    return max(millidegrees) / 1000 if millidegrees else None


@dataclass(kw_only=True)
class Cooling:
    """Called before a block: waits until the device has cooled down, five minutes at most.

    The limit is `limit_c`, by default two degrees above the temperature of the first call. A device
    that stays warm is measured all the same: the sentinel and the throttle bits show it.
    """

    read: Callable[[], float | None]
    """Reads the temperature in degrees C; None: do not wait."""
    limit_c: float | None = None
    say: Say
    stop: Event = field(default_factory=Event)
    every_s: float = 5.0
    clock: Callable[[], float] = time.monotonic

    def __call__(self) -> None:
        now = self.read()
        if now is None:
            return
        if self.limit_c is None:
            self.limit_c = now + RISE_C
        begun, reported = self.clock(), False
        while now is not None and now > self.limit_c and self.clock() - begun < LONGEST_S:
            if not reported:
                self.say(f"bench     cooling down from {now:.0f} to {self.limit_c:.0f} degrees C")
                reported = True
            if self.stop.wait(self.every_s):
                return
            now = self.read()
