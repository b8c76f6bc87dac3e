"""Files that hold the same picture, found once for their contents."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pipeline.datasets.audit import copies
from pipeline.datasets.audit.pictures import PictureFacts, PictureRecord
from pipeline.datasets.files.storage import cache_folder, made_by, write
from pipeline.datasets.folder.form import Form
from pipeline.datasets.folder.pictures import LIBRARIES, PICTURES


def copy_groups(files: Mapping[str, str], facts: Sequence[PictureFacts]) -> list[int]:
    """A number for each file of `files` (digest -> path): near copies have the same one."""
    code = made_by(copies.__name__, Form.__module__, libraries=LIBRARIES)
    name = hashlib.sha256("".join([code, *files]).encode()).hexdigest()
    place = cache_folder(PICTURES.cache) / "copies" / f"{name}.json"
    with suppress(OSError, ValueError):
        found: list[int] = json.loads(place.read_bytes())
        return found
    records = [
        PictureRecord(
            path=path,
            label=None,
            split="",
            sha256=digest,
            error=fact.error,
            perceptual_hash=fact.perceptual_hash,
            thumbnail=fact.thumbnail,
        )
        for (digest, path), fact in zip(files.items(), facts, strict=True)
    ]
    made: list[int] = copies.duplicate_groups(records).tolist()
    write(place, json.dumps(made).encode())
    return made
