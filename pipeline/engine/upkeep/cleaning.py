"""Remove what nothing refers to, while no run uses the store.

Everything is first renamed into a hidden folder, so that a kill leaves no half of a result: what it
left is found and removed the next time.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from pipeline.engine.references import RUNS, records
from pipeline.engine.store import LOCK, OLD, REPLACED, WORK, clear_abandoned
from pipeline.engine.upkeep.contents import Entry, leftovers, results, unfinished
from pipeline.engine.upkeep.runs import runs
from targets.errors import InputError, printable
from targets.files.file_lock import free_lock

HIDDEN = len(".12345678.old")
"""Characters behind the name of a folder, in that of a hidden folder beside it."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    entry: Entry
    reason: str


def removals(root: Path, out: Path, *, keep: Collection[str], since: float) -> list[Removal]:
    """What may go. `keep` are names of folders; unfinished work counts from the time `since` on.

    A clock that went backwards makes things younger than they are, and keeps them.
    """
    kept = {*keep, *(name for run in runs(root, out) for name in run.refers_to(since=since))}
    there = results(root)
    published = {one.path.name for one in there}
    found = [_result(one) for one in there if one.path.name not in kept]
    for work in unfinished(root):
        if work.path.name in published:
            found.append(Removal(entry=work, reason="the stage was finished"))
        elif work.changed < since and work.path.name not in keep:
            found.append(Removal(entry=work, reason="unfinished, and not continued since"))
    left = [Removal(entry=one, reason="left by a kill") for one in leftovers(root, out)]
    return found + left


def _result(entry: Entry) -> Removal:
    return Removal(entry=entry, reason="no results folder refers to it")


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """No run uses the store inside the block; one that starts waits. Else an `InputError`."""
    with free_lock(root / LOCK) as free:
        if not free:
            raise InputError(
                f"{printable(str(root))}: nothing was removed, because a run uses this store, or "
                "because it cannot be written. Give the command again when no run uses it."
            )
        yield


def clean(root: Path, removed: Sequence[Removal], *, since: float) -> None:
    """Inside `alone`."""
    for one in removed:
        path = one.entry.path
        if one.entry.kind != "leftover":
            remove(path)
        elif path.parent in (root.absolute(), (root / WORK).absolute()):
            shutil.rmtree(path)
        else:
            clear_abandoned(path.with_name(path.name[1:-HIDDEN]))
    _forget(root, since)


def remove(path: Path) -> None:
    aside = Path(mkdtemp(prefix=f".{path.name}.", suffix=OLD, dir=path.parent))
    os.replace(path, aside / REPLACED)
    shutil.rmtree(aside)


def _forget(root: Path, since: float) -> None:
    """The notes of runs whose results folders are gone, what a kill left of notes, and the locks of
    results that are gone."""
    for record in records(root):
        old = record.finished or record.file.stat().st_mtime < since
        if old and not record.results.exists():
            record.file.unlink()
    for part in (root / RUNS).glob("*.part"):
        part.unlink()
    for lock in (root / WORK).glob("*.lock"):
        if not (root / lock.stem).exists() and not lock.with_suffix("").exists():
            lock.unlink()
