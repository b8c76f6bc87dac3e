"""The order of the samples in an epoch."""

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import UNLABELLED, Labels
from pipeline.training.augmentation.draws import ORDER_STREAM, SAMPLING_STREAM, generator


def epoch_order(samples: int, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of the sample indices, a pure function of (seed, epoch)."""
    return generator(seed, ORDER_STREAM, epoch).permutation(samples)


def balanced_order(labels: Labels, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """As many indices as there are samples, in which all classes are met equally often.

    Within a class no sample comes again before all others have come. Samples without a label come
    once each.
    """
    random = generator(seed, SAMPLING_STREAM, epoch)
    unlabelled = np.flatnonzero(labels == UNLABELLED)
    classes = random.permutation(np.unique(labels[labels != UNLABELLED]))
    each, more = divmod(len(labels) - len(unlabelled), len(classes))
    drawn = [
        _drawn(np.flatnonzero(labels == label), each + (place < more), random)
        for place, label in enumerate(classes)
    ]
    return random.permutation(np.concatenate([unlabelled, *drawn]))


def _drawn(
    members: npt.NDArray[np.int64], count: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    rounds = [random.permutation(members) for _ in range(-(-count // len(members)))]
    drawn: npt.NDArray[np.int64] = np.concatenate(rounds)[:count]
    return drawn
