"""Names of files that mean the same on every system that a bundle is unpacked on."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

MOST_BYTES = 255
"""Of a part of a path: the limit of ext4, APFS and NTFS."""
MOST_PARTS = 16
FORBIDDEN = frozenset('\\:*?"<>|')
"""Separators, drive letters and streams of Windows, and what it forbids."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[. ]", re.IGNORECASE)
"""Devices of Windows, and endings that it drops."""


def problem(name: str) -> str | None:
    """Why a receiver cannot use the path `name`, with `/`, in a few words; None: it can."""
    parts = name.split("/")
    if not name.isprintable():
        return "has control or undecodable characters"
    if found := FORBIDDEN & set(name):
        return f"has the character {min(found)}"
    if {"", ".", ".."} & set(parts):
        return "is absolute, or has an empty part, . or .."
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode's form NFC"
    if any(map(RESERVED.fullmatch, parts)):
        return "has a part that Windows reserves, or that ends in a dot or a space"
    if len(parts) > MOST_PARTS or max(len(part.encode()) for part in parts) > MOST_BYTES:
        return f"has a part of over {MOST_BYTES} bytes, or more than {MOST_PARTS} parts"
    return None


def clash(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that are one on some system (by case or Unicode form), or of which one is the
    folder of the other."""
    files: dict[str, str] = {}
    for name in names:
        if (key := _folded(name)) in files:
            return files[key], name
        files[key] = name
    for name in files.values():
        for folder in PurePosixPath(name).parents:
            if (key := _folded(str(folder))) in files:
                return files[key], name
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
