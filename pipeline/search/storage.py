"""The journal file of a study, as it can be read after a kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from targets.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage


@contextmanager
def readable(journal: Path) -> Iterator[None]:
    """`InputError` in place of what Optuna raises for other contents."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{journal}: is damaged: {error}. Remove it: the search begins again, and reuses what "
            "is stored."
        ) from error


def storage(journal: Path) -> "JournalStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    journal.parent.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(journal)
    lock: Any = Lock(journal.with_suffix(".lock"))  # the base of Optuna's locks is private
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


class Lock:
    """Free once its process has ended: Optuna's own are waited for 30 s after a kill."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def _drop_torn_line(journal: Path) -> None:
    """A kill while a line was written leaves a part of it, which Optuna cannot read."""
    if not journal.exists():
        return
    text = journal.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with journal.open("r+b") as file:
            file.truncate(len(whole))
