"""Blocks begin when the device is as cool as it was: MLPerf Mobile's rules, 2.9."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from targets.devices.link import Link

RISE_C = 2.0
LONGEST_S = 300.0
EVERY_S = 5.0
LIMIT_S = 30.0
READ = "cat /sys/class/thermal/thermal_zone*/temp 2>/dev/null; true"


def temperature(link: Link) -> float | None:
    """Of the hottest zone, in degrees C; None where the device has none that can be read."""
    done = link.run(["sh", "-c", READ], env={}, timeout_s=LIMIT_S)
    millidegrees = [int(word) for word in done.stdout.split() if word.lstrip("-").isdigit()]
    return max(millidegrees) / 1000 if millidegrees else None


@dataclass(kw_only=True)
class Cooling:
    """Called before a block: waits until the device has cooled down, five minutes at most.

    To `limit_c`, or where none is given to two degrees above what it had at the first call. A
    device that stays warm is measured all the same: its sentinel and its throttle bits tell.
    """

    read: Callable[[], float | None]
    limit_c: float | None = None
    say: Callable[[str], None]
    stop: Event = field(default_factory=Event)
    clock: Callable[[], float] = time.monotonic

    def __call__(self) -> None:
        now = self.read()
        if now is None:
            return
        if self.limit_c is None:
            self.limit_c = now + RISE_C
        begun, told = self.clock(), False
        while now is not None and now > self.limit_c and self.clock() - begun < LONGEST_S:
            if not told:
                self.say(f"bench     cooling down from {now:.0f} to {self.limit_c:.0f} degrees C")
                told = True
            if self.stop.wait(EVERY_S):
                return
            now = self.read()
