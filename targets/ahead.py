"""Work that a few threads do ahead of its consumer, in order and within bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Source = TypeVar("Source")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Source], Made], sources: Iterable[Source], *, threads: int
) -> Iterator[tuple["Future[Made]", Source]]:
    """Futures of `make(source)` in order, while the next `threads + 1` are in work."""
    waiting: deque[tuple[Future[Made], Source]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for source in sources:
            waiting.append((pool.submit(make, source), source))
            if len(waiting) > threads + 1:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
