"""A picture file as an audit takes it."""

from dataclasses import dataclass, fields
from typing import Any, SupportsBytes

from targets.images.preprocessing import resized
from targets.images.reading import Pixels

SIDE = 16
"""Of a thumbnail, in pixels."""
THUMBNAIL_BYTES = 3 * SIDE**2


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFacts:
    """What an audit needs to know of a file's contents.

    `error` is set, and what follows from the pixels null, if it is unread.
    """

    error: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    """Pillow's name of the format that its contents have."""
    mode: str | None = None
    """Pillow's mode of the file, as `RGB`, `CMYK` or `I;16`."""
    alpha: bool = False
    perceptual_hash: int | None = None
    """64 bits; see `perceptual_hash`."""
    thumbnail: SupportsBytes | None = None
    """The pixels of `thumbnail`; may be read from a file when they are asked for."""

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FACTS}


FACTS = tuple(field.name for field in fields(PictureFacts))


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureRecord(PictureFacts):
    """One file of a data set."""

    path: str
    """Relative to the data set's folder, with slashes."""
    label: str | None
    """Name of its class; null without a label."""
    split: str
    """`train`, `val`, `test` or `unlabelled`; empty for an unread file that no split is given."""
    sha256: str


def perceptual_hash(picture: Pixels) -> int:
    """64 bits of the low frequencies of an RGB picture (imagehash's `phash`).

    Near copies differ in few of them.
    """
    import imagehash
    import scipy.fftpack  # noqa: F401  # imagehash's DCT: its version is in the keys of stages
    from PIL import Image

    return int(str(imagehash.phash(Image.fromarray(picture))), 16)


def thumbnail(picture: Pixels) -> bytes:
    """The pixels of an RGB picture at 16x16, which show whether two close hashes are of copies."""
    return resized(picture, (SIDE, SIDE)).tobytes()
