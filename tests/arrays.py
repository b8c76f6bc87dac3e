"""Files of arrays: series of three channels, whose class is the channel that swings."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NAMES = ("ahead", "aside", "up")


def series(samples: int = 60, steps: int = 12) -> dict[str, npt.NDArray[Any]]:
    """`values` [samples, steps, 3] in units of their own, and `labels`."""
    random = np.random.default_rng(0)
    labels = np.arange(samples) % 3
    swing = np.sin(np.arange(steps) * 2)[None, :, None] * np.eye(3)[labels][:, None, :]
    noise = random.normal(size=(samples, steps, 3))
    values = (swing * 3 + noise) * (1, 100, 0.01) + (0, 1000, -9.81)
    return {"values": values, "labels": labels}


def write(path: Path, **changes: Any) -> Path:
    """An .npz of `series` with `changes`; what is None is left out."""
    arrays = {**series(), **changes}
    np.savez(path, **{name: np.asarray(one) for name, one in arrays.items() if one is not None})
    return path
