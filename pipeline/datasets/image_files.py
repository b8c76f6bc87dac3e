"""The messages about a folder of image files where a file of arrays is expected."""

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from targets.images.recognition import SUFFIXES

SHOWN = 8
"""Classes that a message lists."""


def how_to_read(folder: Path) -> str | None:
    """The contents of `folder` and the data set that reads it; None without image files."""
    files = _image_files(folder)
    if not files:
        return None
    return (
        f"{_contents(folder, files)} The data set folder reads them: add --set "
        f"dataset.name=folder, or let `pipeline init {shlex.quote(str(folder))}` write a recipe."
    )


def how_to_convert(folder: Path, *, image: Sequence[int | None]) -> str | None:
    """The contents of `folder` and how to make an `.npz` of it; None without image files.

    `image` is [height, width, channels] of the network; open sides become 32.
    """
    files = _image_files(folder)
    if not files:
        return None
    loose = any(file.parent == folder for file in files)
    return (
        f"{_contents(folder, files)} `pipeline predict` takes such a folder. Here, make an .npz of "
        "them once, in Python, with the name of its folder as the class of each image: "
        f"`{script(folder, {file.suffix for file in files}, image)}`. Then give that file."
        f"{' Put each class into a folder of its own first.' if loose else ''}"
    )


def _contents(folder: Path, files: list[Path]) -> str:
    counts = Counter(file.parent.name for file in files)
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())[:SHOWN])
    return (
        f"{folder} holds {len(files)} image files in {len(counts)} folders: "
        f"{shown}{', …' if len(counts) > SHOWN else ''}."
    )


def script(folder: Path, suffixes: set[str], image: Sequence[int | None]) -> str:
    """One line of Python that writes the images and the names of their folders as `.npz`."""
    height, width = (size or 32 for size in image[:2])
    mode = "L" if list(image[2:]) == [1] else "RGB"
    known = "".join(f", {suffix!r}" for suffix in sorted(suffixes))[2:]
    return (
        "import numpy as np; from pathlib import Path; from PIL import Image, ImageOps; "
        f"files = sorted(p for p in Path({str(folder)!r}).rglob('[!.]*') if p.suffix in "
        f"({known},) and p.parent.name[:1] != '.'); "
        # Pillow silently turns 16 bits into white.
        "bits8 = lambda i: Image.fromarray((np.asarray(i) / 257).astype('uint8')) "
        "if i.mode[0] == 'I' else i; "
        "images = np.stack([np.asarray(ImageOps.exif_transpose(bits8(Image.open(p)))"
        f".convert({mode!r}).resize(({width}, {height}))) for p in files]); "
        "classes, labels = np.unique([p.parent.name for p in files], return_inverse=True); "
        f"np.savez({f'{folder.resolve().name}.npz'!r}, images=images, labels=labels, "
        "classes=classes)"
    )


def _image_files(folder: Path) -> list[Path]:
    """Return the image files below `folder` by their suffix, without hidden files and folders."""
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        paths = (Path(place, name) for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in SUFFIXES]
    return found
