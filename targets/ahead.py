"""Work that a few threads do ahead of its consumer, in order and within bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Source = TypeVar("Source")
Made = TypeVar("Made")
READERS = min(4, os.cpu_count() or 1)
AHEAD = 2 * READERS


def ahead(
    make: Callable[[Source], Made], sources: Iterable[Source]
) -> Iterator[tuple["Future[Made]", Source]]:
    """Futures of `make(source)` in order, while the next `AHEAD` are in work."""
    waiting: deque[tuple[Future[Made], Source]] = deque()
    pool = ThreadPoolExecutor(READERS)
    try:
        for source in sources:
            waiting.append((pool.submit(make, source), source))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
