"""The samples from which the ranges of activations are read."""

from collections.abc import Sized
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.errors import InputError

MIN_CALIBRATION_SAMPLES = 256
"""Fewer samples do not show the extremes of an activation."""
CALIBRATION_SAMPLES = 1024
"""The most that an export reads."""


def require_enough(samples: Sized, *, what: str, instead: str) -> None:
    """Raise `InputError` for fewer than `MIN_CALIBRATION_SAMPLES`.

    `what` names the samples, and `instead` is the way to go on without calibration.
    """
    if len(samples) < MIN_CALIBRATION_SAMPLES:
        raise InputError(
            f"{what}: {len(samples)} samples are too few to calibrate int8 with; at least "
            f"{MIN_CALIBRATION_SAMPLES} real ones are needed. Give more, or {instead}."
        )


def evenly(samples: npt.NDArray[Any], count: int = CALIBRATION_SAMPLES) -> npt.NDArray[Any]:
    """Return at most `count` of `samples`, evenly spaced: a file does not depend on a seed."""
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int)
    return np.asarray(samples[chosen])
