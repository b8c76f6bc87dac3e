"""Random resized crop and rotation of one picture."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.datasets.on_access import Images
from targets.images.preprocessing import Fit, resized

if TYPE_CHECKING:
    from PIL.Image import Image

WIDEST = 4 / 3
"""The aspect of a crop is 3/4 to 4/3."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of a picture's width and height; beyond 0 to 1 is outside."""


class CropDraw(Protocol):
    """Numbers in (0, 1)."""

    @property
    def area(self) -> float: ...
    @property
    def aspect(self) -> float: ...
    @property
    def down(self) -> float: ...
    @property
    def across(self) -> float: ...


def crop_box(
    draw: CropDraw, picture: tuple[int, int], size: tuple[int, int], *, least: float, fit: Fit
) -> Box:
    """The part of a picture (height, width) that is shown at `size`.

    Area uniform in [least, 1] of the picture, of the square with grey bars for `pad`; aspect
    log-uniform in 3/4 to 4/3; position uniform. A side that is longer than the picture becomes as
    long as that, and then the other one as short as the aspect asks: where torchvision tries again.
    """
    high, wide = (1.0, 1.0) if fit == "stretch" else _in_outputs(picture, size)
    most_high, most_wide = (max(high, wide),) * 2 if fit == "pad" else (high, wide)
    area = (least + (1 - least) * draw.area) * most_high * most_wide
    aspect = math.exp(math.log(WIDEST) * (2 * draw.aspect - 1))
    width = min(math.sqrt(area * aspect), most_wide)
    height = min(math.sqrt(area / aspect), most_high)
    width, height = min(width, WIDEST * height), min(height, WIDEST * width)
    # Where bars are in view, the difference is negative, and the whole picture is in view too.
    left, top = draw.across * (wide - width), draw.down * (high - height)
    return left / wide, top / high, (left + width) / wide, (top + height) / high


def _in_outputs(picture: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    """Height and width in a unit in which the output is a square."""
    return picture[0] / size[0], picture[1] / size[1]


def cropped(picture: Images, box: Box, size: tuple[int, int], *, grey: int) -> Images:
    """The part `box` of a picture, [*size, channels]; grey outside of the picture."""
    (high, wide), (left, top, right, bottom) = picture.shape[:2], box
    inner = max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)
    pixels = inner[0] * wide, inner[1] * high, min(inner[2] * wide, wide), inner[3] * high
    if inner == box:
        return _scaled(picture, size, pixels)
    x = [round((edge - left) / (right - left) * size[1]) for edge in (inner[0], inner[2])]
    y = [round((edge - top) / (bottom - top) * size[0]) for edge in (inner[1], inner[3])]
    x[1], y[1] = max(x[1], x[0] + 1), max(y[1], y[0] + 1)
    whole = np.full((*size, picture.shape[2]), grey, np.uint8)
    whole[y[0] : y[1], x[0] : x[1]] = _scaled(picture, (y[1] - y[0], x[1] - x[0]), pixels)
    return whole


def _scaled(picture: Images, size: tuple[int, int], box: Box) -> Images:
    return by_plane(lambda planes: resized(planes, size, box=box), picture)


def rotated(image: Images, degrees: float, *, grey: int) -> Images:
    """Turned around the centre, counter-clockwise; grey where nothing was."""
    from PIL import Image

    def turn(planes: Images) -> Images:
        fill = (grey, grey, grey) if planes.shape[2] == 3 else grey
        turned = as_pillow(planes).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill)
        return np.asarray(turned).reshape(planes.shape)

    return by_plane(turn, image)


def as_pillow(planes: Images) -> "Image":
    """An image of one channel or three."""
    from PIL import Image

    return Image.fromarray(planes if planes.shape[2] == 3 else planes[..., 0])


def by_plane(change: Callable[[Images], Images], image: Images) -> Images:
    """Apply `change`, which takes one channel or three; other numbers one by one."""
    channels = image.shape[2]
    if channels in (1, 3):
        return change(np.ascontiguousarray(image))
    planes = [change(np.ascontiguousarray(image[..., i : i + 1])) for i in range(channels)]
    return np.concatenate(planes, axis=2)
