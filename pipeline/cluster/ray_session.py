"""Ray in this process: the cluster that is there, or one of our own on this machine."""

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from targets.errors import missing_package

SETTINGS = {
    # Despite its name: on Linux, 0 makes every socket listen on 127.0.0.1 alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Ray adds 15
}
"""Of a cluster of our own; the user's own values stay."""
OBJECTS_BYTES = 100 * 2**20


@contextmanager
def ray_session(*, cpus: int) -> Iterator[None]:
    """Ray, started with `cpus` on this machine unless this process or RAY_ADDRESS has a cluster."""
    own = not os.environ.get("RAY_ADDRESS")
    if own:
        _set_up()  # before the import, which reads it
    try:
        import ray
    except ModuleNotFoundError as error:
        raise missing_package("ray", needed_for="workers > 1") from error
    if ray.is_initialized():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    size = {"num_cpus": cpus, "object_store_memory": OBJECTS_BYTES} if own else {}
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **size)
        _restore(signal.SIGTERM, before)  # Ray replaces it
        yield
    finally:
        ray.shutdown()
        _restore(signal.SIGTERM, before)


def _set_up() -> None:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in {**SETTINGS, **token}.items():
        os.environ.setdefault(name, value)


@contextmanager
def signals_held_back() -> Iterator[list[int]]:
    """Signals that arrive inside the block; the first one is raised behind it.

    Enter it before `ray_session`. An exception that is raised while Ray's own code runs is
    swallowed until the task ends, and with Ray's own handler SIGTERM aborts the process.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            _restore(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


def _restore(number: int, handler: object) -> None:
    if handler is not None:  # one that was not set from Python cannot be
        signal.signal(number, handler)  # type: ignore[arg-type]
