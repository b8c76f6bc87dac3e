"""The view of one photo: crop, rotation, colour and erasing, in relative coordinates.

The same numbers at two sizes are the same view: the same part of the picture, turned by the same
angle, in the same colours and with the same rectangle erased, up to the rounding of an edge.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Images
from pipeline.training.augmentation.draws import PHOTO_STREAM, generator
from pipeline.training.augmentation.images.colour import coloured
from pipeline.training.augmentation.images.geometry import crop_box, cropped, rotated
from pipeline.training.augmentation.images.settings import ImageViews
from targets.images.preprocessing import Fit

STEPS = 2**16
ERASED_IMAGES = 0.5
LEAST_ERASED, ERASED_ASPECT = 0.02, 3.3
"""Smallest share of the area, and largest aspect: Zhong et al. 2017, arXiv 1708.04896."""


class Draw(NamedTuple):
    """The random numbers of one view of one photo, each uniform in (0, 1).

    All are drawn whatever the recipe uses, so that one of its keys does not change another's part.
    """

    area: float
    aspect: float
    down: float
    across: float
    angle: float
    brightness: float
    contrast: float
    saturation: float
    erased: float
    erased_area: float
    erased_aspect: float
    erased_down: float
    erased_across: float


PhotoRows = npt.NDArray[np.uint16]
"""[images, fields of `Draw`]: 26 bytes per image."""


def draw_of(row: PhotoRows) -> Draw:
    return Draw(*((row + 0.5) / STEPS).tolist())


def photo_rows(images: int, *, seed: int, view: int) -> PhotoRows:
    random = generator(seed, PHOTO_STREAM, view)
    return random.integers(0, STEPS, (images, len(Draw._fields)), np.uint16)


def uses_photo_views(cfg: ImageViews) -> bool:
    """Whether an image is changed by more than whole pixels."""
    return cfg.crop < 1 or any(
        (cfg.rotation, cfg.brightness, cfg.contrast, cfg.saturation, cfg.erase)
    )


def cut_from(
    picture: Images, size: tuple[int, int], draw: Draw, *, least: float, fit: Fit, grey: int
) -> Images:
    """A random crop of at least the share `least` of the picture, [*size, channels]."""
    high, wide = picture.shape[:2]
    box = crop_box(draw, (high, wide), size, least=least, fit=fit)
    return cropped(picture, box, size, grey=grey)


def changed(image: Images, draw: Draw, cfg: ImageViews, *, grey: int) -> Images:
    """Rotation, colour and erasing of an image, whatever its size."""
    if cfg.rotation:
        image = rotated(image, cfg.rotation * (2 * draw.angle - 1), grey=grey)
    if cfg.brightness or cfg.contrast or cfg.saturation:
        image = coloured(
            image,
            brightness=1 + cfg.brightness * (2 * draw.brightness - 1),
            contrast=1 + cfg.contrast * (2 * draw.contrast - 1),
            saturation=1 + cfg.saturation * (2 * draw.saturation - 1),
        )
    if cfg.erase and draw.erased < ERASED_IMAGES:
        return erased(image, draw, most=cfg.erase, grey=grey)
    return image


def erased(image: Images, draw: Draw, *, most: float, grey: int) -> Images:
    """With a grey rectangle of at most the share `most` of the area."""
    least = min(LEAST_ERASED, most)
    area = least + (most - least) * draw.erased_area
    aspect = math.exp(math.log(ERASED_ASPECT) * (2 * draw.erased_aspect - 1))
    high, wide = min(1.0, math.sqrt(area / aspect)), min(1.0, math.sqrt(area * aspect))
    top, left = draw.erased_down * (1 - high), draw.erased_across * (1 - wide)
    height, width = image.shape[:2]
    image = image.copy()
    rows = slice(round(top * height), round((top + high) * height))
    columns = slice(round(left * width), round((left + wide) * width))
    image[rows, columns] = grey
    return image
