"""A folder of results with an object store behind it."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from pipeline.datasets.files.storage import cache_folder
from pipeline.engine.manifest import Manifest, folder_name
from pipeline.engine.progress import Console
from pipeline.engine.remote.address import Address
from pipeline.engine.remote.errors import StoreError
from pipeline.engine.remote.objects import Objects
from pipeline.engine.remote.results import Results
from pipeline.engine.remote.unfinished import WORK, Unfinished, continued
from pipeline.engine.store import Damaged, Elsewhere, Store, Stored


@dataclass(frozen=True)
class SharedStore(Store):
    """The folder `root` is this machine's own: what it lacks is fetched, and what it has is sent.

    Every method raises `StoreError` where the object store does not answer, and loses nothing.
    """

    address: Address

    @cached_property
    def objects(self) -> Objects:
        return Objects(self.address)

    @cached_property
    def _results(self) -> Results:
        return Results(self.objects)

    @cached_property
    def _unfinished(self) -> Unfinished:
        return Unfinished(self.objects)

    def require(self) -> None:
        """Raise `StoreError` unless this machine may write, read and remove objects there."""
        with marker(self.objects):
            pass

    def elsewhere(self, stage: str, key: str) -> Elsewhere | Damaged | None:
        found = self._results.manifest(folder_name(stage, key))
        if not isinstance(found, Manifest):
            return None if found is None else self._damaged(found)
        download = partial(self._results.fetch, found)
        return Elsewhere(manifest=found, place=str(self.address), download=download)

    def fetch(self, there: Elsewhere, scratch: Path) -> Stored | Damaged:
        found = super().fetch(there, scratch)
        return self._damaged(found.what) if isinstance(found, Damaged) else found

    def _damaged(self, name: str) -> Damaged:
        return Damaged(what=f"{self.address}/{name}")

    def share(self, stored: Stored, *, made: bool) -> bool:
        name = stored.folder.name
        try:
            missing = made or not isinstance(self._results.manifest(name), Manifest)
            if missing:
                self._results.publish(stored.folder, stored.manifest)
            if made:
                self._unfinished.remove(name)
        except StoreError as error:
            raise StoreError(
                f"{error} {name} is finished and kept in {self.root}; the same command goes on."
            ) from error
        return missing

    def going_on(self, scratch: Path, console: Console) -> Console:
        return continued(self._unfinished, scratch, console, place=str(self.address))

    def forget(self, scratch: Path) -> None:
        self._unfinished.remove(scratch.name)


def of_this_machine(address: Address) -> SharedStore:
    """With a folder in the user's cache, which all trainings on this machine share."""
    name = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    return SharedStore(cache_folder("stores") / name, address)


@contextmanager
def marker(objects: Objects) -> Iterator[tuple[str, bytes]]:
    """An object that only this store has, with contents that only this process knows."""
    name, contents = f"{WORK}/marker-{secrets.token_hex(8)}", secrets.token_hex(16).encode()
    objects.write(name, contents)
    try:
        if name not in objects.sizes(WORK) or objects.read(name) != contents:
            raise StoreError(
                f"--store {objects.address}: an object that was written is not there, or another. "
                "Use an object store that shows an object as soon as it was written."
            )
        yield name, contents
    finally:
        objects.remove(name)
