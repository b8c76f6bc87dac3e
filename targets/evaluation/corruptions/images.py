"""Corruptions of images, uint8 [n, height, width, channels].

`noise`, `blur` and `contrast` follow Hendrycks and Dietterich 2019, arXiv 1903.12261, with their
parameters for images of 32 pixels (CIFAR-10-C); `shift` follows the translation of MNIST-C (Mu and
Gilmer 2019, arXiv 1906.02337).
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from targets.evaluation.corruptions.draws import Corrupt, Draws

Images = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]

NOISE = (0.04, 0.06, 0.08, 0.09, 0.10)
"""Standard deviation of Gaussian noise per pixel and channel, as a fraction of the range 0-255."""
BLUR = (0.4, 0.6, 0.7, 0.8, 1.0)
"""Standard deviation of a Gaussian kernel, in pixels; images are mirrored at the border."""
SHIFT = (1 / 28, 2 / 28, 3 / 28, 4 / 28, 5 / 28)
"""Distance as a fraction of the shorter side, rounded up to whole pixels, in one of eight
directions; the border pixels are repeated outwards."""
CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
"""Factor of every pixel's difference from the image's mean, per channel."""

DIRECTIONS = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)])


def noise(images: Images, level: int, draws: Draws) -> Pixels:
    shape = images.shape[1:]
    drawn = np.stack([random.standard_normal(shape, np.float32) for random in draws])
    noisy: Pixels = images + np.float32(255 * NOISE[level]) * drawn
    return noisy


def blur(images: Images, level: int, draws: Draws) -> Pixels:
    from scipy.ndimage import gaussian_filter

    sigma = BLUR[level]
    pixels: Pixels = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0))
    return pixels


def shift(images: Images, level: int, draws: Draws) -> Images:
    height, width = images.shape[1:3]
    distance = int(np.ceil(round(SHIFT[level] * min(height, width), 6)))
    moves = DIRECTIONS[[random.integers(len(DIRECTIONS)) for random in draws]] * distance
    y = np.clip(np.arange(height) - moves[:, :1], 0, height - 1)
    x = np.clip(np.arange(width) - moves[:, 1:], 0, width - 1)
    moved: Images = images[np.arange(len(images))[:, None, None], y[:, :, None], x[:, None, :]]
    return moved


def contrast(images: Images, level: int, draws: Draws) -> Pixels:
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    pixels: Pixels = ((images - mean) * CONTRAST[level] + mean).astype(np.float32)
    return pixels


CORRUPTIONS: Mapping[str, Corrupt] = MappingProxyType(
    {"noise": noise, "blur": blur, "shift": shift, "contrast": contrast}
)
