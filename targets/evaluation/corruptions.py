"""Seeded corruptions of raw images, to measure robustness to inputs unlike the test split.

Four kinds at severities 1 to 5. `noise`, `blur` and `contrast` follow Hendrycks and Dietterich
2019, arXiv 1903.12261, with their parameters for images of 32 pixels (CIFAR-10-C); `shift` follows
the translation of MNIST-C (Mu and Gilmer 2019, arXiv 1906.02337). The corruption of an image is a
pure function of (seed, kind, severity, index): batches, order and machine do not change it. The
random draws are the same at every severity, so that a curve over severities shows severity alone.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]

SEVERITIES = (1, 2, 3, 4, 5)
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
CHUNK = 1024
"""Images that are held as floats at a time."""


def corrupt(images: Images, *, kind: str, severity: int, seed: int) -> Images:
    """`images`, uint8 [n, height, width, channels], corrupted; same shape and dtype."""
    out = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        drawn = _generators(seed, kind, start, len(part))
        pixels = KINDS[kind](part, severity - 1, drawn)
        out[start : start + CHUNK] = np.clip(np.rint(pixels), 0, 255)
    return out


Draws = Iterator[np.random.Generator]


def _generators(seed: int, kind: str, first: int, count: int) -> Draws:
    """One generator per image. Philox is counter-based: the image's index is the counter."""
    key = np.random.SeedSequence((seed, list(KINDS).index(kind))).generate_state(2, np.uint64)
    for index in range(first, first + count):
        yield np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, index]))


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


KINDS: dict[str, Callable[[Images, int, Draws], npt.NDArray[np.generic]]] = {
    "noise": noise,
    "blur": blur,
    "shift": shift,
    "contrast": contrast,
}
"""The position of a kind is part of its seed: append new kinds at the end."""
