"""The files that a user names, and the classes that their folders name."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from targets.errors import InputError
from targets.formats.input_spec import Kind
from targets.prediction.file_kinds import FILE_KINDS, require_kind
from targets.prediction.preparation.contract import NOUNS
from targets.prediction.sample import Sample

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
    """Files in folders that neither are of the kind nor are named like it."""


def listed(sources: Sequence[Path], kind: Kind = "image") -> Listing:
    """The files and, recursively, those of the kind in the folders, without hidden ones.

    Raises `InputError` for what is not there or is clearly of another kind, and where there is no
    file at all.
    """
    give = FILE_KINDS[kind].give
    for source in sources:
        # A text in its place may be longer than names are, for which pathlib raises.
        if not os.path.exists(source):  # noqa: PTH110
            raise InputError(f"{source}: there is no such file or folder. {give}.")
        require_kind(source, kind)
    listing = Listing()
    for source in sources:
        parts = len(source.absolute().parts)
        if source.is_dir():
            _list_folder(source, parts, listing, FILE_KINDS[kind].may_be)
        else:
            listing.files.append(Found(path=source, below=parts - 1))
    if not listing.files:
        others = f" ({listing.skipped} other files)" if listing.skipped else ""
        named = ", ".join(map(str, sources[:3])) + (", …" if len(sources) > 3 else "")
        raise InputError(
            f"{named}: no {NOUNS[kind].many} there{others}, which the model takes. {give}; "
            "hidden files do not count."
        )
    return listing


def samples(listing: Listing, classes: Iterable[str]) -> list[Sample]:
    """A sample for each file, labelled by its folder."""
    folders = Folders(classes)
    return [Sample(file=one.path, label=folders.class_of(one)) for one in listing.files]


def _list_folder(
    folder: Path, parts: int, listing: Listing, may_be: Callable[[Path], bool]
) -> None:
    for path in _walked(folder):
        if may_be(path):
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
