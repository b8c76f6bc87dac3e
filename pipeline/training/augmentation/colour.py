"""Brightness, contrast and saturation of one image, as torchvision and Pillow define them."""

import numpy as np

from pipeline.datasets.splits import Images

LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601-2, as Pillow's conversion to grey."""


def coloured(image: Images, *, brightness: float, contrast: float, saturation: float) -> Images:
    """The three changes one after the other, rounded once; 1 leaves as it is.

    x1 = b x; x2 = c x1 + (1 - c) mean luma(x1); x3 = s x2 + (1 - s) luma(x2). Luma is linear, so
    that x3 = s c b x + (1 - s) c b luma(x) + (1 - c) b mean luma(x).
    """
    weights = LUMA if image.shape[2] == 3 else (1 / image.shape[2],) * image.shape[2]
    sums = image.sum(axis=(0, 1), dtype=np.int64).tolist()  # exact in any order
    mean = sum(w * s for w, s in zip(weights, sums, strict=True)) / image[..., 0].size
    scale, offset = brightness * contrast, brightness * (1 - contrast) * mean
    luma = np.zeros(image.shape[:2], np.float32)
    for channel, weight in enumerate(weights):
        luma += np.float32(weight) * image[..., channel]
    grey = np.float32((1 - saturation) * scale) * luma + np.float32(offset)
    values = np.float32(saturation * scale) * image + grey[..., np.newaxis]
    return np.rint(values).clip(0, 255).astype(np.uint8)
