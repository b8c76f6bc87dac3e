"""The order of the images in an epoch."""

import numpy as np
import numpy.typing as npt

from pipeline.training.augmentation.draws import ORDER_STREAM, generator


def epoch_order(images: int, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of the image indices, a pure function of (seed, epoch)."""
    return generator(seed, ORDER_STREAM, epoch).permutation(images)
