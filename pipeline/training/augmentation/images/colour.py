"""Brightness, contrast and saturation of one image, as Pillow and torchvision define them."""

import numpy as np

from pipeline.datasets.on_access import Images
from pipeline.training.augmentation.images.geometry import as_pillow, by_plane

LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601-2, as Pillow's conversion to grey."""


def coloured(image: Images, *, brightness: float, contrast: float, saturation: float) -> Images:
    """The three changes one after the other, rounded once; 1 leaves as it is.

    x1 = b x; x2 = c x1 + (1 - c) mean luma(x1); x3 = s x2 + (1 - s) luma(x2). Luma is linear, so
    that x3 = s c b x + (1 - s) c b luma(x) + (1 - c) b mean luma(x): one matrix for all pixels.
    Other images than RGB have no saturation, and channels of their own.
    """
    scale, offset = brightness * contrast, brightness * (1 - contrast)

    def rgb(planes: Images) -> Images:
        whole = as_pillow(planes)
        mean = sum(w * v for w, v in zip(LUMA, _mean(planes), strict=True))
        matrix: list[float] = []
        for row in range(3):
            grey = [(1 - saturation) * scale * weight for weight in LUMA]
            grey[row] += saturation * scale
            matrix += [*grey, offset * mean]
        return np.asarray(whole.convert("RGB", tuple(matrix)))

    def one(plane: Images) -> Images:
        (mean,) = _mean(plane)
        values = np.arange(256) * scale + offset * mean
        table = np.rint(values).clip(0, 255).astype(np.uint8)
        new: Images = table[plane]
        return new

    return by_plane(rgb if image.shape[2] == 3 else one, image)


def _mean(planes: Images) -> list[int]:
    """Mean of each channel, in integers as in Pillow's own contrast."""
    from PIL import Image

    mean = as_pillow(planes).resize((1, 1), Image.Resampling.BOX)
    values: list[int] = np.asarray(mean).ravel().tolist()
    return values
