"""Signals that wait: a call of Ray swallows what a handler raises in it."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Inside the block, SIGINT and SIGTERM are only noted. The function that it yields calls the
    handler of one that came, which may raise, and so does the end of the block.

    Handlers that the block replaces are put back: `ray.init` takes SIGTERM for itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    noted: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDING}

    def heed() -> None:
        if noted:
            number = noted.pop(0)
            _handle(number, before[signal.Signals(number)])

    for number, handler in before.items():
        if handler not in (None, signal.SIG_IGN):
            signal.signal(number, lambda number, frame: noted.append(number))
    try:
        yield heed
    except SystemExit:  # the handler of SIGTERM that `ray.init` installs
        noted.append(signal.SIGTERM)
        _restore(before)
        heed()
        raise
    finally:
        _restore(before)
    heed()


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)


def _handle(number: int, handler: object) -> None:
    if callable(handler):
        handler(number, None)
    else:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
