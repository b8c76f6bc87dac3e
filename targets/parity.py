"""Is a file the network that it was made from? Answers of both to the same samples, compared."""

from typing import Any

import numpy as np
import numpy.typing as npt

from targets import metrics
from targets.errors import ProofError

Logits = npt.NDArray[np.floating[Any]]

FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float32 file's output, times the largest output where that is above 1."""
AGREEMENT = 0.95
"""Least share of equal labels of the other precisions. Fake quantization and the integer kernels
round in different places (99.4-99.7 % in practice): a share that is shown to be below this (the
upper end of its interval is) is not rounding."""
SAME_GRAPH_AGREEMENT = 0.999
"""Least share of equal labels of the two int8 files, which are one quantized graph."""


def require_parity(
    name: str, precision: str, *, expected: Logits, seen: Logits
) -> tuple[float, float]:
    """(share of equal labels, largest difference) of a file and its network, or a `ProofError`."""
    agreement = metrics.agreement(expected, seen)
    difference = float(np.max(np.abs(expected - seen)))
    tolerance = FLOAT_TOLERANCE * max(1.0, float(np.max(np.abs(expected))))
    if precision == "float32":
        proved = difference <= tolerance and _only_ties(expected, seen, tolerance)
    else:
        proved = metrics.wilson_interval(agreement, len(seen))[1] >= AGREEMENT
    if not proved:
        raise ProofError(
            f"{name}: differs from the network it was made from: {100 * agreement:.2f} % equal "
            f"labels on {len(seen)} samples, outputs up to {difference:.3g} apart. Nothing was "
            "published."
        )
    return agreement, difference


def require_same_labels(
    name: str, made_from: str, *, expected: Logits, seen: Logits
) -> tuple[float, float]:
    """The same of two files of one quantized graph."""
    share = metrics.agreement(expected, seen)
    if share < SAME_GRAPH_AGREEMENT:
        raise ProofError(
            f"{name}: gives the labels of {made_from} for {100 * share:.2f} % of {len(seen)} "
            "samples only, though both are one quantized graph. Nothing was published."
        )
    return share, float(np.max(np.abs(expected - seen)))


def _only_ties(expected: Logits, seen: Logits, tolerance: float) -> bool:
    """Whether labels differ only where the network itself does not separate the two classes."""
    rows = np.arange(len(seen))
    lost = expected.max(axis=1) - expected[rows, seen.argmax(axis=1)]
    return bool(np.all(lost <= 2 * tolerance))
