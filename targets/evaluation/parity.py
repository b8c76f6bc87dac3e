"""Prove that a file is the network it was made from, by both outputs for the same samples."""

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError
from targets.evaluation import metrics
from targets.evaluation.metrics import Logits
from targets.formats.precisions import PRECISIONS

FLOAT_TOLERANCE = 1e-4
"""Largest allowed difference of a float32 file's outputs, times the largest output if above 1."""
AGREEMENT = 0.95
"""Minimum share of equal labels of the other precisions. Fake quantization and the integer kernels
round in different places (99.4-99.7 % in practice). A share whose interval lies below this limit
is not explained by rounding."""
CORRELATION = float(np.cos(np.pi * (1 - AGREEMENT)))
"""Minimum correlation of the outputs if labels prove nothing, 0.988: two normal scores of this
correlation lie on the same side of their means with probability `AGREEMENT` (Sheppard 1899)."""
NEAR = 0.02
"""RMS of the differences over RMS of the network's margins below which 8 bits cannot separate the
outputs: about five of 255 steps. The outputs of a network that was trained too briefly may stay
within one step, so that its int8 file is constant."""
SAME_GRAPH_AGREEMENT = 0.999
"""Minimum share of equal labels of two int8 files of one quantized graph."""
SMALLEST_PROBABILITY = 1e-30
"""Smaller float32 probabilities are close to underflow; their logarithm is meaningless."""
SMALLEST_DISTANCE_FROM_1 = 2.0**-24
"""Distance between 1 and the next smaller float32."""


class TooFewEqualError(ProofError):
    """A quantized file runs, but its labels or outputs are not those of its network."""


def require_parity(
    name: str, precision: str, *, expected: Logits, actual: Logits
) -> tuple[float, float]:
    """(share of equal labels, largest difference) of the outputs of a file, `actual`, and of its
    network, `expected`, [samples, classes] each.

    A float32 file must give the network's outputs within `FLOAT_TOLERANCE`; labels can then differ
    only between classes closer than twice that. A file of another precision must give the network's
    labels. If labels prove nothing, because the network assigns (nearly) all samples to one class,
    its outputs must be near the network's or correlate with them over the samples. Raises
    `ProofError` otherwise, and for outputs that are not finite.
    """
    metrics.require_finite(expected, model=f"the network that {name} is made from")
    metrics.require_finite(actual, model=name)
    agreement = metrics.agreement(expected, actual)
    difference = float(np.max(np.abs(expected - actual)))
    exact = PRECISIONS[precision].exact
    if exact:
        proved = same_values(expected, actual)
    else:
        proved = metrics.wilson_interval(agreement, len(actual))[1] >= AGREEMENT
    if not proved:
        error = ProofError if exact else TooFewEqualError
        raise error(
            f"{name}: differs from the network it was made from: {100 * agreement:.2f} % equal "
            f"labels on {len(actual)} samples, outputs up to {difference:.3g} apart."
        )
    if not exact:
        _require_more_than_one_class(name, agreement, expected=expected, actual=actual)
    return agreement, difference


def require_same_labels(
    name: str, made_from: str, *, expected: Logits, actual: Logits
) -> tuple[float, float]:
    """`require_parity` of two int8 files of one quantized graph: the same labels.

    Runtimes round sums differently (XNNPACK in fixed point, ONNX Runtime in floating point), by a
    step each. In a deep network labels then differ where two classes are a step apart: outputs that
    8 bits cannot separate prove the graph too.
    """
    metrics.require_finite(expected, model=made_from)
    metrics.require_finite(actual, model=name)
    share = metrics.agreement(expected, actual)
    if share < SAME_GRAPH_AGREEMENT and not near(expected, actual):
        raise ProofError(
            f"{name}: gives the labels of {made_from} for {100 * share:.2f} % of {len(actual)} "
            "samples only, though both are one quantized graph."
        )
    return share, float(np.max(np.abs(expected - actual)))


def same_values(expected: Logits, actual: Logits) -> bool:
    """Whether every output of a float32 file is the network's up to rounding.

    A final softmax or sigmoid amplifies the rounding of its input. A probability therefore also
    counts as the same if its logarithm (its log-odds, of a sigmoid) is, within the tolerance that
    the network would have without its last layer.
    """
    same = np.abs(expected - actual) <= _tolerance(expected)
    if not same.all() and (before := before_probabilities(expected)) is not None:
        after = before_probabilities(actual)
        if after is not None:
            same |= np.abs(before - after) <= _tolerance(before)
    return bool(same.all())


def _tolerance(outputs: Logits) -> float:
    return FLOAT_TOLERANCE * max(1.0, float(np.max(np.abs(outputs))))


def before_probabilities(outputs: Logits) -> npt.NDArray[np.float64] | None:
    """log p of distributions [samples, classes], log-odds of other probabilities, else None.

    The logarithm of a softmax is its logits up to a shift, to which the softmax is invariant.
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
    name: str, agreement: float, *, expected: Logits, actual: Logits
) -> None:
    """Raise if a constant file would agree as well and the outputs do not follow the network's."""
    labels = metrics.predicted(expected)
    if metrics.shown_above_chance(agreement, labels) or near(expected, actual):
        return
    found = correlation(expected, actual)
    # The upper end of Fisher's z interval (1921), as for the share of labels.
    if np.arctanh(found) + 1.96 / np.sqrt(max(len(actual) - 3, 1)) < np.arctanh(CORRELATION):
        share = metrics.most_frequent_share(labels)
        raise TooFewEqualError(
            f"{name}: the network gives {100 * share:.4g} % of the {len(labels)} samples one "
            "class, so that equal labels prove nothing, and the outputs follow the network's with "
            f"a correlation of {found:.3f} only ({CORRELATION:.3f} is needed). If that is the "
            "data's fault, give images of several classes with --data."
        )


def near(expected: Logits, actual: Logits) -> bool:
    """Whether the outputs differ by a small part of the margins: the scores less their mean over
    the classes, or the distance of a single score from its threshold."""
    values = expected.astype(np.float64)
    one = values.shape[1] == 1
    middle = metrics.binary_threshold(expected) if one else values.mean(axis=1, keepdims=True)
    noise, margin = np.square(values - actual).mean(), np.square(values - middle).mean()
    return bool(noise <= NEAR**2 * margin)


def correlation(expected: Logits, actual: Logits) -> float:
    """Pearson's correlation over the samples of all outputs, each column about its own mean.

    0 if either side is constant over the samples, whatever its label.
    """
    a = expected.astype(np.float64) - expected.mean(axis=0, dtype=np.float64)
    b = actual.astype(np.float64) - actual.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return min(float(np.sum(a * b)) / scale, 1 - 1e-9) if scale > 0 else 0.0
