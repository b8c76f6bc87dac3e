"""Small pictures for a page, as data URIs: it stays one file, of a bounded size."""

import base64
import io
from collections.abc import Callable

from targets.images.preprocessing import resized
from targets.images.reading import Pixels, UnreadablePictureError

LIMIT = 300_000
"""Characters of all pictures together."""
SIDE = 80
"""Longer side in pixels; smaller pictures keep their size."""
QUALITY = 70


class Album:
    """Pictures by key. The first that would exceed `LIMIT`, and all after it, are left out."""

    def __init__(self) -> None:
        self.pictures: dict[str, str] = {}
        self._left = LIMIT

    def add(self, key: str, read: Callable[[], Pixels]) -> None:
        if key in self.pictures or self._left <= 0:
            return
        try:
            uri = data_uri(read())
        except UnreadablePictureError:
            return
        self.put(key, uri)

    def put(self, key: str, uri: str) -> None:
        """As `add`, of a picture that is drawn."""
        if key in self.pictures or self._left <= 0:
            return
        self._left -= len(uri)
        if self._left > 0:
            self.pictures[key] = uri


def data_uri(picture: Pixels) -> str:
    """[height, width, 1 or 3] as a small JPEG."""
    from PIL import Image

    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = resized(picture, size)
    file = io.BytesIO()
    image = Image.fromarray(small[..., 0] if small.shape[2] == 1 else small)
    image.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
