"""What shows that a worker uses our store: something that only this store has, for a time."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from pipeline.engine.remote.address import Address
from pipeline.engine.remote.objects import Objects
from pipeline.engine.remote.shared_store import SharedStore, marker
from pipeline.engine.store import WORK, Store
from targets.errors import InputError, printable


class Landmark(Protocol):
    """Can be pickled."""

    def fault(self) -> str | None:
        """What is wrong where it is called, behind `the worker on X`; None where nothing is."""


@dataclass(frozen=True, kw_only=True)
class MarkedFolder:
    marker: Path
    """A file in the store."""
    contents: str

    def fault(self) -> str | None:
        root = printable(str(self.marker.parent.parent))
        try:
            seen = self.marker.read_text(encoding="utf-8")
        except OSError:
            seen = ""
        if seen != self.contents:
            return (
                f"does not see the store {root} of this machine. Give a folder that all machines "
                "share, under the same path, with --store."
            )
        if not os.access(self.marker.parent, os.W_OK):
            return f"cannot write to the store {root}. Give its user the right to."
        return None


@dataclass(frozen=True, kw_only=True)
class MarkedObjects:
    """Credentials and endpoint are those of the worker's own environment."""

    address: Address
    name: str
    contents: bytes

    def fault(self) -> str | None:
        objects = Objects(self.address)
        own = f"{self.name}-{secrets.token_hex(4)}"
        try:
            if objects.read(self.name) != self.contents:
                return f"reaches another store than this machine at {self.address}. {SAME}"
            objects.write(own, self.contents)
            objects.remove(own)
        except InputError as error:
            return f"cannot use the store of this machine: {error} {SAME}"
        return None


SAME = "Each machine needs AWS_ENDPOINT_URL and credentials for the same object store."


@contextmanager
def marked(store: Store) -> Iterator[Landmark]:
    """In the object store of a shared store; else in the folder."""
    if isinstance(store, SharedStore):
        with marker(store.objects) as (name, contents):
            yield MarkedObjects(address=store.address, name=name, contents=contents)
    else:
        with marked_folder(store) as landmark:
            yield landmark


@contextmanager
def marked_folder(store: Store) -> Iterator[Landmark]:
    folder, contents = store.root / WORK, secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", prefix="cluster-", dir=folder, encoding="utf-8") as file:
        file.write(contents)
        file.flush()
        yield MarkedFolder(marker=Path(file.name), contents=contents)
