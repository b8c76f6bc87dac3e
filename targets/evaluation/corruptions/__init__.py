"""Seeded corruptions of raw samples, to measure robustness to inputs unlike the test split.

Each kind of data has its own, at severities 1 to 5. The corruption of a sample is a pure function
of (seed, corruption, severity, index): batches, order and machine do not change it. The random
draws are the same at every severity, so that a curve over severities shows severity alone.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from targets.evaluation.corruptions import arrays, images, tokens, waveforms
from targets.evaluation.corruptions.draws import Corrupt, Raw, generators
from targets.formats.input_spec import Kind

__all__ = ["CORRUPTIONS", "SEVERITIES", "corrupt"]

SEVERITIES = (1, 2, 3, 4, 5)
CORRUPTIONS: Mapping[Kind, Mapping[str, Corrupt]] = MappingProxyType(
    {
        "image": images.CORRUPTIONS,
        "waveform": waveforms.CORRUPTIONS,
        "tokens": tokens.CORRUPTIONS,
        "array": arrays.CORRUPTIONS,
    }
)
"""By `InputSpec.kind`. The position of a corruption is part of its seed: append new ones."""

CHUNK, VALUES = 1024, 2**20
"""Samples, and values of samples, that are held as floats at a time."""


def corrupt(raw: Raw, *, kind: Kind, name: str, severity: int, seed: int) -> Raw:
    """`raw` [n, ...] of this kind of data, corrupted; same shape and type."""
    out, limits = np.empty_like(raw), _limits(raw)
    number = list(CORRUPTIONS[kind]).index(name)
    chunk = max(1, min(CHUNK, VALUES // max(1, raw[:1].size)))
    for start in range(0, len(raw), chunk):
        part = raw[start : start + chunk]
        drawn = generators(seed, number, start, len(part))
        values = CORRUPTIONS[kind][name](part, severity - 1, drawn)
        out[start : start + chunk] = values if limits is None else np.clip(np.rint(values), *limits)
    return out


def _limits(raw: Raw) -> tuple[int, int] | None:
    """The ends of the raw values; None for those that are not rounded."""
    if raw.dtype.kind not in "iu":
        return None
    info = np.iinfo(raw.dtype)
    return int(info.min), int(info.max)
