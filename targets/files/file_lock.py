"""Lock files. A lock whose process ended, even by a kill, is free."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def waiting_lock(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` inside the block; its folder is created.

    `on_wait` is called once if another process holds the lock.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def shared_lock(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Share the lock on the file `path` inside the block with all that do the same; its folder is
    created. An exclusive lock, `waiting_lock`, is waited for, and `on_wait` called once.

    Where the file cannot be made, no lock is needed: nobody can change what is beside it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
        yield
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


@contextmanager
def free_lock(path: Path) -> Iterator[bool]:
    """Whether the exclusive lock on `path` is free; if so, it is held inside the block."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        yield False  # also where it cannot be opened
        return
    try:
        yield True
    finally:
        lock.release()
