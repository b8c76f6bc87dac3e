"""The files of a data set and what they hold."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.datasets.files.index import UNREADABLE
from pipeline.datasets.files.inventory import Inventory


@dataclass(frozen=True, kw_only=True)
class Contents:
    inventory: Inventory
    digests: Sequence[str]
    """Of the entries of the inventory."""

    @property
    def sha256(self) -> str:
        """Of what the files are and what they hold, wherever the folder lies."""
        made = hashlib.sha256()
        for entry, digest in zip(self.inventory.entries, self.digests, strict=True):
            parts = [entry.path, entry.label, entry.split, entry.group, digest]
            made.update(json.dumps(parts).encode())
        return made.hexdigest()

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Digest -> a file with these contents, by digest: the rows of the cache."""
        pairs = zip(self.digests, self.inventory.entries, strict=True)
        return {
            digest: f"{self.inventory.root}/{entry.path}"
            for digest, entry in sorted(pairs, key=lambda pair: pair[0])
        }

    @cached_property
    def rows(self) -> Sequence[int]:
        """The row of each entry in the cache."""
        places = {digest: row for row, digest in enumerate(self.files)}
        return [places[digest] for digest in self.digests]

    @property
    def unread(self) -> Mapping[str, str]:
        """Path of each file that could not be hashed -> why."""
        return {
            entry.path: digest.removeprefix(UNREADABLE)
            for entry, digest in zip(self.inventory.entries, self.digests, strict=True)
            if digest.startswith(UNREADABLE)
        }
