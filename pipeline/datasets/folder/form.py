"""What is made of every picture file, and the name of the cache that holds it."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.audit.pictures import PictureFacts, perceptual_hash, thumbnail
from pipeline.datasets.files.storage import made_by
from pipeline.datasets.folder.pictures import LIBRARIES
from targets.images.preprocessing import Preprocessing, resized
from targets.images.reading import Pixels, UnreadablePictureError, has_alpha, opened, pixels

SMALLEST = 8
"""Shorter side in pixels below which a file is taken for a mistake."""

CANVAS = 1.25
"""Shorter side of a canvas over that of the images: a random crop of 64 % of the area then has
every pixel of the image that it becomes."""


@dataclass(frozen=True, kw_only=True)
class Developed:
    sha256: str
    """Of the bytes that were read."""
    facts: PictureFacts
    image: Pixels | None = None
    canvas: Pixels | None = None
    thumbnail: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Form:
    preprocessing: Preprocessing
    canvas: int
    """Shorter side in pixels above which canvases are scaled down."""

    @property
    def image(self) -> tuple[int, int, int]:
        made = self.preprocessing
        return made.height, made.width, made.channels

    def key(self, contents: Iterable[str]) -> str:
        """Of these files' digests, in this form, by this code and these libraries."""
        digest = hashlib.sha256(self.preprocessing.model_dump_json().encode())
        digest.update(repr((self.canvas, made_by(__name__, libraries=LIBRARIES))).encode())
        for content in contents:
            digest.update(content.encode())
        return digest.hexdigest()

    def develop(self, path: Path) -> Developed:
        """Everything that is kept of the file; it is read and decoded once."""
        try:
            content = path.read_bytes()
        except OSError as error:
            return Developed(sha256="", facts=PictureFacts(error=error.strerror or str(error)))
        digest = hashlib.sha256(content).hexdigest()
        try:
            return self._developed(content, digest)
        except UnreadablePictureError as error:
            return Developed(sha256=digest, facts=PictureFacts(error=str(error)))

    def _developed(self, content: bytes, digest: str) -> Developed:
        image = opened(content)
        channels = self.preprocessing.channels
        picture = pixels(image, channels=channels)
        colours = picture if channels == 3 else pixels(image, channels=3)
        height, width, _ = picture.shape
        require_least(width, height)
        canvas = self._canvas(picture)
        facts = PictureFacts(
            width=width,
            height=height,
            format=image.format,
            mode=image.mode,
            alpha=has_alpha(image),
            # Of every size and number of channels the same, as the thumbnail: they decide splits.
            perceptual_hash=perceptual_hash(colours),
        )
        return Developed(
            sha256=digest,
            facts=facts,
            image=self.preprocessing(picture),
            canvas=canvas,
            thumbnail=thumbnail(colours),
        )

    def _canvas(self, picture: Pixels) -> Pixels:
        """What crops are taken from: never larger than the picture, a square one for `pad`."""
        height, width, _ = picture.shape
        if self.preprocessing.fit == "pad":
            side = min(max(height, width), self.canvas)
            square = Preprocessing(
                height=side, width=side, channels=self.preprocessing.channels, fit="pad"
            )
            return square(picture)
        scale = self.canvas / min(height, width)
        if scale >= 1:
            return picture
        return resized(
            picture,
            (max(self.canvas, round(height * scale)), max(self.canvas, round(width * scale))),
        )


def require_least(width: int, height: int) -> None:
    if min(width, height) < SMALLEST:
        raise UnreadablePictureError(f"{width}x{height} pixels; {SMALLEST} are the least")


def canvas_side(size: int) -> int:
    return math.ceil(CANVAS * size)
