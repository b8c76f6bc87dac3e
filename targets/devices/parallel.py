"""Several devices at the same time, one thread for each."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

D = TypeVar("D")
T = TypeVar("T")


def on_each_device(
    devices: Sequence[D], measure: Callable[[D, Event], T], *, stop: Event | None = None
) -> list[T]:
    """`measure` for every device in a thread of its own; for a single device in this thread.

    If one raises (also Ctrl-C), the event that `measure` is given, `stop` or a new one, is set:
    running jobs end, and no other job begins.
    """
    stop = stop or Event()
    if len(devices) == 1:
        return [measure(devices[0], stop)]
    with ThreadPoolExecutor(max_workers=len(devices)) as pool:
        running = [pool.submit(measure, device, stop) for device in devices]
        try:
            return [one.result() for one in running]
        except BaseException:
            stop.set()
            raise
