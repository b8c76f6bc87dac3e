"""The picture files that a user names, and the classes that their folders name."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from targets.errors import InputError
from targets.images.recognition import may_be_picture

NOBODYS = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True)
class Found:
    path: Path
    below: int
    """Number of leading parts of the path's folders that the user named with it."""


@dataclass(kw_only=True)
class Listing:
    files: list[Found] = field(default_factory=list)
    skipped: int = 0
    """Files in folders that neither are pictures nor are named like one."""


def listed(sources: Sequence[Path]) -> Listing:
    """The files and, recursively, those in the folders, without hidden ones.

    Raises `InputError` for what is not there, and where there is no file at all.
    """
    for source in sources:
        if not source.exists():
            raise InputError(f"{source}: there is no such file or folder.")
    listing = Listing()
    for source in sources:
        parts = len(source.absolute().parts)
        if source.is_dir():
            _list_folder(source, parts, listing)
        else:
            listing.files.append(Found(path=source, below=parts - 1))
    if not listing.files:
        others = f" ({listing.skipped} other files)" if listing.skipped else ""
        named = ", ".join(map(str, sources[:3])) + (", …" if len(sources) > 3 else "")
        raise InputError(
            f"{named}: no pictures there{others}. Give picture files, or folders that hold some; "
            "hidden files do not count."
        )
    return listing


def _list_folder(folder: Path, parts: int, listing: Listing) -> None:
    for path in _walked(folder):
        if may_be_picture(path):
            listing.files.append(Found(path=path, below=parts))
        else:
            listing.skipped += 1


def _walked(folder: Path) -> Iterator[Path]:
    """The files below a folder, in order of their names; links are followed, once each."""
    entered: set[str] = set()
    for place, inner, names in os.walk(folder, followlinks=True):
        fresh = os.path.realpath(place) not in entered
        entered.add(os.path.realpath(place))
        inner[:] = sorted(name for name in inner if fresh and not name.startswith("."))
        if fresh:
            kept = (n for n in names if not n.startswith(".") and n.lower() not in NOBODYS)
            yield from (Path(place, name) for name in sorted(kept))


class Folders:
    """Reads the class of a file from its folders: `Apple`, or `Fruit/Apple` where classes nest."""

    def __init__(self, classes: Iterable[str]) -> None:
        self._index: Mapping[tuple[str, ...], int] = {
            tuple(normalize("NFC", name).split("/")): index for index, name in enumerate(classes)
        }
        self._longest = max(map(len, self._index))
        self._known: dict[tuple[str, ...], int | None] = {}

    def class_of(self, found: Found) -> int | None:
        """The class that the nearest folder names; None where no folder does.

        That is a folder that the user named or one below it, not one that these lie in.
        """
        parts = found.path.absolute().parts[:-1]
        if parts not in self._known:
            ends = range(len(parts), max(found.below, 1) - 1, -1)
            matches = (self._ending(parts[:end]) for end in ends)
            self._known[parts] = next((index for index in matches if index is not None), None)
        return self._known[parts]

    def _ending(self, parts: tuple[str, ...]) -> int | None:
        names = tuple(normalize("NFC", part) for part in parts)
        lengths = range(min(self._longest, len(names)), 0, -1)
        found = (self._index.get(names[-length:]) for length in lengths)
        return next((index for index in found if index is not None), None)
