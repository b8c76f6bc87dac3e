"""Items made ahead of their use, in a thread."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from targets.devices.cpus import available_cpus

T = TypeVar("T")

NICE = 5
"""Below the threads that train: they leave time to spare, and wait for one another if disturbed."""


class End:
    """There are no more items."""


def background_threads(count: int | None = None, *, name: str = "render") -> ThreadPoolExecutor:
    """Threads that give way to those that train; by default as many as this process has CPUs."""
    return ThreadPoolExecutor(
        count or len(available_cpus()), thread_name_prefix=name, initializer=_give_way
    )


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere it would be for the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def made_ahead(
    items: Iterable[T], *, depth: int = 2, waited: Callable[[float], None] = lambda seconds: None
) -> Generator[T]:
    """The items in their order; a thread makes up to `depth` of them while the last one is used.

    `waited` gets the seconds that each item was waited for. An exception in the thread is raised
    here. Close the iterator to end the thread: it finishes the item that it is making.
    """
    source, end = iter(items), End()
    with background_threads(1, name="ahead") as thread:
        pending = deque(thread.submit(next, source, end) for _ in range(depth))
        try:
            while True:
                begun = time.perf_counter()
                item = pending.popleft().result()
                if isinstance(item, End):
                    return
                waited(time.perf_counter() - begun)
                pending.append(thread.submit(next, source, end))
                yield item
        finally:
            for future in pending:
                future.cancel()
