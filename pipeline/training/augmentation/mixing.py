"""Mixed batches: each sample with another one of the batch, drawn once for all sizes."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.training.augmentation.draws import (
    CUTMIX_STREAM,
    MIX_STREAM,
    MIXUP_STREAM,
    generator,
)

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the width and the height."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How every sample of a batch is mixed with another one of it."""

    partner: npt.NDArray[np.int64]
    """[batch]: place in the batch of the sample that each is mixed with."""
    lam: float
    """Weight of the sample itself, 0 to 1; lambda in the papers."""
    rectangle: Rectangle | None = None
    """The part of an image that the partner replaces; null blends all values."""

    def __call__(self, raw: Raw) -> Raw:
        """The mixed batch, in the type of the samples, so that every teacher can take it."""
        if self.rectangle is None:
            both = self.lam * raw.astype(np.float32)
            both += (1 - self.lam) * raw[self.partner].astype(np.float32)
            return both if raw.dtype.kind == "f" else np.rint(both).astype(raw.dtype)
        (height, width), mixed = raw.shape[1:3], raw.copy()
        left, top, right, bottom = self.rectangle
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        mixed[:, rows, columns] = raw[self.partner][:, rows, columns]
        return mixed


def mixup(samples: int, *, alpha: float, seed: int, epoch: int, number: int) -> Mix:
    """Zhang et al. 2017, arXiv 1710.09412, on raw values, for batch `number` of an epoch."""
    random = generator(seed, MIXUP_STREAM, epoch, number)
    lam, partner = random.beta(alpha, alpha), random.permutation(samples)
    return Mix(partner=partner, lam=float(lam))


def cutmix(images: int, *, alpha: float, seed: int, epoch: int, number: int) -> Mix:
    """Yun et al. 2019, arXiv 1905.04899: one rectangle for the batch, weighted by its area."""
    random = generator(seed, CUTMIX_STREAM, epoch, number)
    half = math.sqrt(1 - random.beta(alpha, alpha)) / 2
    x, y = random.random(2).tolist()
    left, right = max(x - half, 0.0), min(x + half, 1.0)
    top, bottom = max(y - half, 0.0), min(y + half, 1.0)
    return Mix(
        partner=random.permutation(images),
        lam=1 - (right - left) * (bottom - top),
        rectangle=(left, top, right, bottom),
    )


def draw_mix(
    samples: int, *, mixup_alpha: float, cutmix_alpha: float, seed: int, epoch: int, number: int
) -> Mix | None:
    """How a batch is mixed: by either way in about half of the batches where both are on."""
    key = {"seed": seed, "epoch": epoch, "number": number}
    both = mixup_alpha and cutmix_alpha
    if both and generator(seed, MIX_STREAM, epoch, number).random() < 0.5:
        cutmix_alpha = 0
    if cutmix_alpha:
        return cutmix(samples, alpha=cutmix_alpha, **key)
    return mixup(samples, alpha=mixup_alpha, **key) if mixup_alpha else None
