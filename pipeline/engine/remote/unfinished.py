"""Checkpoints of unfinished trainings in an object store, from which any machine goes on.

`work/<stage>-<hash>/checkpoint.json` names the objects beside it, which are written before it.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.engine.progress import Console, EpochProgress
from pipeline.engine.remote.errors import StoreError
from pipeline.engine.remote.objects import Objects
from targets.files.digest import file_sha256

WORK, INDEX = "work", "checkpoint.json"
EVERY_S = 60.0
"""Between two uploads. A training that is shorter leaves none."""


class Index(BaseModel):
    model_config = ConfigDict(frozen=True)

    files: dict[str, str]
    """Name -> sha256, which is the name of its object too."""


@dataclass(frozen=True)
class Unfinished:
    objects: Objects

    def save(self, folder: Path) -> None:
        """The checkpoints in the work folder of a stage, in the place of those of before."""
        before = self._index(folder.name)
        now = Index(files={path.name: self._sent(path) for path in _checkpoints(folder)})
        self.objects.write(_place(folder, INDEX), now.model_dump_json().encode())
        for digest in {*(before.files.values() if before else ())} - {*now.files.values()}:
            self.objects.remove(_place(folder, digest))

    def _sent(self, path: Path) -> str:
        """The digest of a checkpoint, whose name another worker may give to the next one now."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            self.objects.upload(file, _place(path.parent, digest))
        return digest

    def restore(self, folder: Path) -> bool | None:
        """Bring a checkpoint into the work folder of a stage: False if it is damaged, None if there
        is none."""
        index = self._index(folder.name)
        if index is None:
            return None
        parts = {name: folder / f"{name}.part" for name in index.files}
        try:
            for name, part in parts.items():
                place, digest = _place(folder, index.files[name]), index.files[name]
                if not self.objects.download(place, part) or file_sha256(part) != digest:
                    return False
            for name, part in parts.items():
                os.replace(part, folder / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        self.objects.remove_folder(f"{WORK}/{name}")

    def _index(self, name: str) -> Index | None:
        text = self.objects.read(f"{WORK}/{name}/{INDEX}")
        try:
            index = None if text is None else Index.model_validate_json(text)
        except ValidationError:
            return None
        named = index is not None and all(map(_is_checkpoint, index.files))
        return index if named else None


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.npz") if path.is_file())


def _is_checkpoint(name: str) -> bool:
    return Path(name).name == name and name.endswith(".npz")


def _place(folder: Path, name: str) -> str:
    return f"{WORK}/{folder.name}/{name}"


def continued(unfinished: Unfinished, folder: Path, console: Console, *, place: str) -> Console:
    """Bring the checkpoint of another machine, where this one has none; the console that sends
    those to come. A checkpoint of this machine may be the older one: both lead to the same bytes.
    """
    stage = f"{folder.name.rpartition('-')[0]:<9}"
    if not _checkpoints(folder):
        whole = unfinished.restore(folder)
        if whole:
            console.say(f"{stage} goes on from the checkpoint in {place}")
        elif whole is not None:
            console.say(f"{stage} the checkpoint in {place} is damaged, and not used")

    def save() -> None:
        try:
            unfinished.save(folder)
        except StoreError as error:  # it is on this machine, and the training worth more
            console.say(f"{stage} the checkpoint was not sent, and the training goes on: {error}")

    return SendingConsole(console=console, send=save)


@dataclass
class SendingConsole:
    """A console that sends the checkpoint after an epoch: it is saved before it is shown."""

    console: Console
    send: Callable[[], None]
    sent: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        self.console.say(text)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        with self.console.epochs(stage, first=first, total=total) as shown:
            yield SentEpochs(shown=shown, done=self._done)

    def _done(self) -> None:
        if time.monotonic() - self.sent >= EVERY_S:
            self.send()
            self.sent = time.monotonic()


@dataclass(frozen=True)
class SentEpochs:
    shown: EpochProgress
    done: Callable[[], None]

    def step(self, done: int, of: int) -> None:
        self.shown.step(done, of)

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self.shown.epoch(number, loss=loss, accuracy=accuracy)
        self.done()
