"""Items made ahead of their use, in a thread."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class End:
    """There are no more items."""


def made_ahead(
    items: Iterable[T], *, depth: int = 2, waited: Callable[[float], None] = lambda seconds: None
) -> Generator[T]:
    """The items in their order; a thread makes up to `depth` of them while the last one is used.

    `waited` gets the seconds that each item was waited for. An exception in the thread is raised
    here. Close the iterator to end the thread: it finishes the item that it is making.
    """
    source, end = iter(items), End()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
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
