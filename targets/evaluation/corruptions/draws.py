"""The random numbers of a corruption: a generator for each sample."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Draws = Iterator[np.random.Generator]
Raw = npt.NDArray[Any]
Corrupt = Callable[[Raw, int, Draws], Raw]
"""Raw samples [n, ...], the severity from 0 and a generator for each to values of that shape."""


def generators(seed: int, number: int, first: int, count: int) -> Draws:
    """Of corruption `number`. Philox is counter-based: the sample's index is the counter."""
    key = np.random.SeedSequence((seed, number)).generate_state(2, np.uint64)
    for index in range(first, first + count):
        yield np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, index]))
