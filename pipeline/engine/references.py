"""Which stored results a run relies on: what `pipeline store gc` keeps.

A run notes it in the store, in one file for each results folder, before it makes or reuses a
result: so a run that was interrupted and has no results folder yet keeps what it has trained.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from targets.errors import InputError, printable

RUNS = "runs"
"""The folder of these files, in the store."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The contents of one of these files."""

    file: Path
    results: Path
    finished: bool
    """Whether the results folder was published."""
    stored: frozenset[str]
    """Names of folders in the store, those of an ablation's variants too."""


@dataclass(frozen=True, kw_only=True)
class References:
    """What the run of one results folder has referred to so far."""

    store: Path
    results: Path
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        if name not in self.names:
            self.names.append(name)
            self._write(finished=False)

    def finish(self) -> None:
        self._write(finished=True)

    def _write(self, *, finished: bool) -> None:
        results = str(self.results.absolute())
        name = hashlib.sha256(os.fsencode(results)).hexdigest()[:16]
        place = self.store / RUNS / f"{name}.json"
        part = place.with_suffix(f".{os.getpid()}.part")
        # Until this run ends, its results folder is that of an earlier one.
        before = [] if finished else _stored(place)
        stored = list(dict.fromkeys([*before, *self.names]))
        record = {"results": results, "finished": finished, "stored": stored}
        with suppress(OSError):  # a store that cannot be written serves a run from what it has
            place.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(record), encoding="utf-8")
            part.replace(place)


def _stored(place: Path) -> list[str]:
    try:
        return sorted(_read(place).stored)
    except (OSError, InputError):
        return []


def records(store: Path) -> Iterator[Record]:
    """Every file of `RUNS`. Raises `InputError` for one that cannot be read: what it refers to is
    not known, and would go."""
    for path in sorted((store / RUNS).glob("*.json")):
        with suppress(FileNotFoundError):  # removed meanwhile
            yield _read(path)


def _read(path: Path) -> Record:
    try:
        values = json.loads(path.read_bytes())
        return Record(
            file=path,
            results=Path(values["results"]),
            finished=bool(values["finished"]),
            stored=frozenset(map(str, values["stored"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{printable(str(path))}: not the note of a run, so that it is not known which stored "
            "results it refers to. Remove that file, or run the recipe again."
        ) from error
