"""Random numbers as a pure function of a seed and a key."""

import numpy as np

VIEW_STREAM, ORDER_STREAM, MIXUP_STREAM = 1, 2, 3
PHOTO_STREAM, CUTMIX_STREAM, MIX_STREAM, SAMPLING_STREAM = 4, 5, 6, 7
SOUND_STREAM, NOISE_STREAM, LISTENING_STREAM = 8, 9, 10
"""First key of each use of randomness, so that no two uses share their numbers."""


def generator(seed: int, *key: int) -> np.random.Generator:
    """Philox is counter-based: its numbers depend on (seed, key) alone."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, *key))))
