"""The images that the activation ranges are calibrated with."""

import numpy as np

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Split
from pipeline.training.augmentation import epoch_order


def calibration_images(data: Dataset, samples: int, *, seed: int) -> Raw:
    """Return at most `samples` raw training images, drawn by `seed`."""
    images = data[Split.TRAIN].raw
    chosen = epoch_order(len(images), seed=seed, epoch=0)[:samples]
    return np.asarray(images[chosen])
