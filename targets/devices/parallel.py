"""Several devices at the same time, each by itself."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from targets.devices.inventory import Device

T = TypeVar("T")


def at_once(devices: Sequence[Device], measure: Callable[[Device, Event], T]) -> list[T]:
    """`measure` for every device in a thread of its own; one alone in this one.

    Ctrl-C ends the jobs that run and begins no other.
    """
    stop = Event()
    if len(devices) == 1:
        return [measure(devices[0], stop)]
    with ThreadPoolExecutor(max_workers=len(devices)) as pool:
        running = [pool.submit(measure, device, stop) for device in devices]
        try:
            return [one.result() for one in running]
        except BaseException:
            stop.set()
            raise
