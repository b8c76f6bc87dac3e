"""The size and the channels that fit a folder of pictures, from the headers of the files."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pipeline.datasets.files.storage import cache_folder, made_by, write
from pipeline.datasets.folder.pictures import LIBRARIES, PICTURES
from targets.images.reading import GREY, Channels, UnreadablePictureError, header

PHOTO = 96
LARGEST_OWN = 64
"""Square pictures of one size up to this side keep it."""

Header = tuple[int, int, str]


def looks(files: Mapping[str, str]) -> tuple[int, Channels]:
    """Size and channels for the files by digest, found out once."""
    key = sha256("".join([made_by(__name__, libraries=LIBRARIES), *files]).encode()).hexdigest()
    place = cache_folder(PICTURES.cache) / "looks" / f"{key}.json"
    with suppress(OSError, ValueError):
        size, channels = json.loads(place.read_bytes())
        return size, channels
    found = _look(files.values())
    write(place, json.dumps(found).encode())
    return found


def _look(files: Iterable[str]) -> tuple[int, Channels]:
    """Stops at the first file that leaves nothing open: with photos, after a few."""
    size: int | None = None
    sides: set[tuple[int, int]] = set()
    channels: Channels = 1
    for width, height, mode in _headers(files):
        sides.add((width, height))
        if len(sides) > 1 or width != height or width > LARGEST_OWN:
            size = PHOTO
        if mode not in GREY:
            channels = 3
        if size is not None and channels == 3:
            break
    return size or min(sides, default=(PHOTO, PHOTO))[0], channels


def _headers(files: Iterable[str]) -> Iterator[Header]:
    for path in files:
        with suppress(UnreadablePictureError):
            yield header(Path(path))
