"""Is a file the network that it was made from? Outputs of both for the same samples, compared."""

from typing import Any

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError
from targets.evaluation import metrics
from targets.formats.precisions import PRECISIONS

Logits = npt.NDArray[np.floating[Any]]

FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float32 file's output, times the largest output where that is above 1."""
AGREEMENT = 0.95
"""Least share of equal labels of the other precisions. Fake quantization and the integer kernels
round in different places (99.4-99.7 % in practice): a share that is shown to be below this (the
upper end of its interval is) is not rounding."""
CORRELATION = float(np.cos(np.pi * (1 - AGREEMENT)))
"""Least correlation of the outputs where labels prove nothing, 0.988: two normal scores of this
correlation lie on the same side of their means for a share of `AGREEMENT` (Sheppard 1899)."""
NEAR = 0.02
"""Root mean square of the differences over that of the network's margins, from which on outputs are
the same for 8 bits: about five of 255 steps. A network that hardly reacts to its input (one that
was trained too briefly) may stay within a step, and its int8 file be constant."""
SAME_GRAPH_AGREEMENT = 0.999
"""Least share of equal labels of the two int8 files, which are one quantized graph."""
SMALLEST_PROBABILITY = 1e-30
"""Below this a float32 probability nears underflow, and its logarithm says nothing."""
SMALLEST_DISTANCE_FROM_1 = 2.0**-24
"""Of a float32 that is below 1."""


class TooFewEqualError(ProofError):
    """A quantized file runs, but does not answer as its network does."""


def require_parity(
    name: str, precision: str, *, expected: Logits, seen: Logits
) -> tuple[float, float]:
    """(share of equal labels, largest difference) of a file and its network, [samples, classes].

    A float32 file must give the network's outputs, within `FLOAT_TOLERANCE`; labels can then
    differ only between classes that lie closer than twice that. A file of another precision must
    give its labels; where they prove nothing, because the network gives (nearly) all samples one
    class, its outputs must be near the network's or follow them over the samples. Raises
    `ProofError` otherwise, and for outputs that are not finite.
    """
    metrics.require_finite(expected, model=f"the network that {name} is made from")
    metrics.require_finite(seen, model=name)
    agreement = metrics.agreement(expected, seen)
    difference = float(np.max(np.abs(expected - seen)))
    exact = PRECISIONS[precision].exact
    if exact:
        proved = same_values(expected, seen)
    else:
        proved = metrics.wilson_interval(agreement, len(seen))[1] >= AGREEMENT
    if not proved:
        error = ProofError if exact else TooFewEqualError
        raise error(
            f"{name}: differs from the network it was made from: {100 * agreement:.2f} % equal "
            f"labels on {len(seen)} samples, outputs up to {difference:.3g} apart."
        )
    if not exact:
        _require_more_than_one_class(name, agreement, expected=expected, seen=seen)
    return agreement, difference


def require_same_labels(
    name: str, made_from: str, *, expected: Logits, seen: Logits
) -> tuple[float, float]:
    """The same of two files of one quantized graph."""
    metrics.require_finite(expected, model=made_from)
    metrics.require_finite(seen, model=name)
    share = metrics.agreement(expected, seen)
    if share < SAME_GRAPH_AGREEMENT:
        raise ProofError(
            f"{name}: gives the labels of {made_from} for {100 * share:.2f} % of {len(seen)} "
            "samples only, though both are one quantized graph."
        )
    return share, float(np.max(np.abs(expected - seen)))


def same_values(expected: Logits, seen: Logits) -> bool:
    """Whether every output of a float32 file is the network's but for rounding.

    What is rounded is what a final softmax or sigmoid is given. A probability is therefore also
    the same where its logarithm (of a sigmoid, its log-odds) is, in the tolerance that the
    network would have without its last layer.
    """
    same = np.abs(expected - seen) <= _tolerance(expected)
    if not same.all() and (before := before_probabilities(expected)) is not None:
        after = before_probabilities(seen)
        if after is not None:
            same |= np.abs(before - after) <= _tolerance(before)
    return bool(same.all())


def _tolerance(outputs: Logits) -> float:
    return FLOAT_TOLERANCE * max(1.0, float(np.max(np.abs(outputs))))


def before_probabilities(outputs: Logits) -> npt.NDArray[np.float64] | None:
    """log p of distributions [samples, classes], log-odds of other probabilities, else None.

    The logarithm of a softmax is its logits but for a shift, which the softmax does not see.
    """
    p = outputs.astype(np.float64)
    if p.min() < 0 or p.max() > 1 + FLOAT_TOLERANCE:
        return None
    if p.shape[1] > 1 and np.allclose(p.sum(axis=1), 1, atol=1e-3):
        log_p: npt.NDArray[np.float64] = np.log(np.maximum(p, SMALLEST_PROBABILITY))
        return log_p
    p = np.clip(p, SMALLEST_DISTANCE_FROM_1, 1 - SMALLEST_DISTANCE_FROM_1)
    log_odds: npt.NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return log_odds


def _require_more_than_one_class(
    name: str, agreement: float, *, expected: Logits, seen: Logits
) -> None:
    """Raise where a file that always names one class would agree as well, and outputs differ."""
    labels = metrics.predicted(expected)
    if metrics.shown_above_chance(agreement, labels) or _near(expected, seen):
        return
    found = correlation(expected, seen)
    # The upper end of Fisher's interval (1921), as of the share of labels.
    if np.arctanh(found) + 1.96 / np.sqrt(max(len(seen) - 3, 1)) < np.arctanh(CORRELATION):
        share = metrics.most_frequent_share(labels)
        raise TooFewEqualError(
            f"{name}: the network gives {100 * share:.4g} % of the {len(seen)} samples one class, "
            "so that equal labels prove nothing, and the outputs follow the network's with a "
            f"correlation of {found:.3f} only ({CORRELATION:.3f} is needed). If that is the data's "
            "fault, give images of several classes with --data."
        )


def _near(expected: Logits, seen: Logits) -> bool:
    """Whether outputs differ by little of what decides a class: the scores about their mean over
    the classes, or the distance of one score from its threshold."""
    values = expected.astype(np.float64)
    one = values.shape[1] == 1
    middle = metrics.binary_threshold(expected) if one else values.mean(axis=1, keepdims=True)
    noise, margin = np.square(values - seen).mean(), np.square(values - middle).mean()
    return bool(noise <= NEAR**2 * margin)


def correlation(expected: Logits, seen: Logits) -> float:
    """Of two files' outputs over the samples, each column about its mean; 0 where one is constant.

    A file that does not react to its input has 0, whatever its label is.
    """
    a = expected.astype(np.float64) - expected.mean(axis=0, dtype=np.float64)
    b = seen.astype(np.float64) - seen.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return min(float(np.sum(a * b)) / scale, 1 - 1e-9) if scale > 0 else 0.0
