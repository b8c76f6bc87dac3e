"""From a picture of any size to the pixels of a model's input: the same on every machine."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from targets.images.reading import Channels, Pixels

Fit = Literal["crop", "pad", "stretch"]
GREY = 128
"""Fills the bars of `pad`: zero after the normalisation."""


class Preprocessing(BaseModel):
    """How a picture becomes the raw input of a model: bilinear, and area-averaged downwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: Channels = 3
    """3 is RGB in this order, 1 brightness."""
    fit: Fit = "crop"
    """`crop`: the largest rectangle of the input's aspect around the centre; `pad`: the whole
    picture with grey bars; `stretch`: the whole picture, its aspect changed."""

    def __call__(self, picture: Pixels) -> Pixels:
        """[h, w, channels] to [height, width, channels]."""
        if picture.shape[:2] == (self.height, self.width):
            return picture
        if self.fit == "pad":
            return self._padded(picture)
        high, wide = picture.shape[:2]
        box = self._centre(high, wide) if self.fit == "crop" else (0.0, 0.0, wide, high)
        return resized(picture, (self.height, self.width), box=box)

    def _centre(self, high: int, wide: int) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the largest centred box of the input's aspect."""
        scale = min(wide / self.width, high / self.height)
        left, top = (wide - scale * self.width) / 2, (high - scale * self.height) / 2
        return left, top, wide - left, high - top

    def _padded(self, picture: Pixels) -> Pixels:
        high, wide = picture.shape[:2]
        scale = min(self.width / wide, self.height / high)
        inner = max(1, round(high * scale)), max(1, round(wide * scale))
        top, left = (self.height - inner[0]) // 2, (self.width - inner[1]) // 2
        whole = np.full((self.height, self.width, picture.shape[2]), GREY, np.uint8)
        whole[top : top + inner[0], left : left + inner[1]] = resized(picture, inner)
        return whole


def resized(
    picture: Pixels,
    size: tuple[int, int],
    *,
    box: tuple[float, float, float, float] | None = None,
) -> Pixels:
    """The part `box` (left, top, right, bottom) of a picture at `size` (height, width)."""
    from PIL import Image

    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    values = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, box=box))
    return values.reshape(*size, picture.shape[2])
