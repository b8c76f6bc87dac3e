"""Pictures as the raw input of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from targets.formats.input_spec import Kind
from targets.images import reading
from targets.images.preprocessing import GREY, Preprocessing
from targets.images.reading import Channels, Pixels, UnreadablePictureError
from targets.prediction.preparation.contract import Item, Raw

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class OfPictures:
    how: Preprocessing
    kind: Kind = "image"

    @property
    def blank(self) -> Pixels:
        """[height, width, channels]"""
        return np.full((self.how.height, self.how.width, self.how.channels), GREY, np.uint8)

    def __call__(self, item: Item) -> Pixels:
        return self.how(_pixels(item, self.how.channels))


def _pixels(item: Item, channels: Channels) -> Pixels:
    from PIL import Image

    if isinstance(item, Image.Image):
        return reading.pixels(item, channels=channels)
    if isinstance(item, np.ndarray):
        return reading.pixels(_image(item), channels=channels)
    return reading.read(item if isinstance(item, bytes) else Path(item), channels=channels)


def _image(pixels: Raw) -> "Image":
    from PIL import Image

    values = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    is_picture = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (2, 3, 4))
    if values.dtype != np.uint8 or not is_picture or 0 in values.shape:
        raise UnreadablePictureError(
            f"the array is {pixels.dtype} {list(pixels.shape)}, and must be uint8 [height, width] "
            "or [height, width, channels]"
        )
    return Image.fromarray(values)
