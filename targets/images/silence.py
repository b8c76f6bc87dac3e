"""Silence for Pillow's warnings, in threads too."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_outer: "warnings.catch_warnings[None] | None" = None


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore all warnings. Threads that are inside at once share one change of the filters.

    One `catch_warnings` each would restore the filters of another thread, and leave them so.
    """
    global _inside, _outer
    with _lock:
        if _inside == 0:
            _outer = warnings.catch_warnings()
            _outer.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _outer is not None:
                _outer.__exit__(None, None, None)
