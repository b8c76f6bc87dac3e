"""Images at another size."""

from dataclasses import replace

import numpy as np

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset, Samples


def resized(dataset: Dataset, size: int) -> Dataset:
    """`dataset` with `size` pixels along the longer side of its images, bilinear, in all roles.

    The aspect is kept: otherwise the device would have to stretch its images too. The digest stays
    that of the source; the size is in the recipe, and so in every store key.
    """
    height, width, _ = dataset.input.shape
    sides = scaled_sides(height, width, size)
    if sides == (height, width):
        return dataset
    splits = {split: _resized(samples, sides) for split, samples in dataset.splits.items()}
    unlabelled = None if dataset.unlabelled is None else _resized(dataset.unlabelled, sides)
    return replace(dataset, splits=splits, unlabelled=unlabelled)


def _resized(samples: Samples, sides: tuple[int, int]) -> Samples:
    return Samples(raw=_scaled(samples.raw, sides), labels=samples.labels)


def scaled_sides(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width with `size` as the longer of them."""
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _scaled(images: Images, sides: tuple[int, int]) -> Images:
    """[n, h, w, channels] to [n, *sides, channels]; scaling down averages pixels."""
    from PIL import Image

    if images.shape[1:3] == sides:
        return images
    scaled: Images = np.empty((len(images), *sides, images.shape[3]), np.uint8)
    for number, image in enumerate(images):
        for channel in range(images.shape[3]):  # Pillow has no images of two or five channels
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            scaled[number, ..., channel] = plane.resize(sides[::-1], Image.Resampling.BILINEAR)
    return scaled
