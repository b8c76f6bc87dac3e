"""Tests and intervals for paired comparisons of two networks.

Two sources of variation are tested apart. Other test images: `mcnemar` and `clustered_mcnemar`,
whose unit is the image. Another training seed: `mean_interval` and `paired_t`, whose unit is the
seed. A gain is shown only if both find it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Right = npt.NDArray[np.bool_]
"""Which samples a network classifies correctly, [samples]."""
LEAST_VARIANCE = 1e-12
"""Equal values still have the error of their rounding."""
EXACT_BELOW = 25
"""Number of discordant pairs below which the chi-squared approximation is too coarse."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two networks on the same images."""

    gain: float
    """Accuracy after less accuracy before: (c - b) / samples."""
    interval: tuple[float, float]
    """95 % interval of the gain, by `paired_interval`."""
    b: int
    """Images that became wrong."""
    c: int
    """Images that became right."""
    p_value: float
    """Two-sided p-value of McNemar's test."""


def mcnemar(*, before: Right, after: Right) -> Paired:
    """McNemar's test of equal accuracy: McNemar 1947, Psychometrika 12(2).

    The p-value is the exact binomial one below `EXACT_BELOW` discordant pairs, else that of
    chi-squared with Edwards' continuity correction, (|b - c| - 1)² / (b + c).
    """
    b, c = int(np.sum(before & ~after)), int(np.sum(~before & after))
    return Paired(
        gain=(c - b) / len(before),
        interval=paired_interval(b=b, c=c, samples=len(before)),
        b=b,
        c=c,
        p_value=_mcnemar_p(b, c),
    )


def _mcnemar_p(b: int, c: int) -> float:
    from scipy.stats import binomtest, chi2

    if b + c == 0:
        return 1.0
    if b + c < EXACT_BELOW:
        return float(binomtest(b, b + c, 0.5).pvalue)
    return float(chi2.sf(max(abs(b - c) - 1, 0) ** 2 / (b + c), df=1))


def paired_interval(*, b: int, c: int, samples: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of paired proportions, (c - b) / samples.

    The Wald interval with one pair added to b and one to c: Bonett and Price 2012, Journal of
    Educational and Behavioral Statistics 37(4). Never empty, and keeps its level for few pairs.
    """
    from scipy.stats import norm

    lost, won = (b + 1) / (samples + 2), (c + 1) / (samples + 2)
    error = np.sqrt((lost + won - (won - lost) ** 2) / (samples + 2))
    reach = float(norm.ppf((1 + level) / 2) * error)
    return max(-1.0, won - lost - reach), min(1.0, won - lost + reach)


def clustered_mcnemar(*, before: Right, after: Right) -> float:
    """Two-sided p-value of no gain over several seeds, [seeds, samples] each.

    The seeds' answers for one image are not independent, so each image is one cluster:
    chi² = (Σ d)² / Σ d², d = an image's pairs won less pairs lost. With one seed this is McNemar's
    test without the correction. Source: Durkalski et al. 2003, Statistics in Medicine 22(15).
    """
    from scipy.stats import chi2

    d = (after.astype(np.int64) - before).sum(axis=0)
    spread = int((d**2).sum())
    return float(chi2.sf(int(d.sum()) ** 2 / spread, df=1)) if spread else 1.0


class Mean(NamedTuple):
    """A mean and its interval; `low` and `high` are None for a single value."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float], level: float = 0.95) -> Mean:
    """Student's t interval of the mean over seeds.

    It covers what another seed would change, not what other test images would. With three seeds it
    extends 2.5 standard deviations to either side: only large or very steady gains are shown.
    """
    from scipy.stats import ttest_1samp

    mean = float(np.mean(values))
    if len(values) < 2:
        return Mean(mean, None, None)
    if len(set(values)) == 1:  # no spread, for which scipy gives NaN
        return Mean(mean, mean, mean)
    interval = ttest_1samp(values, 0).confidence_interval(level)
    return Mean(mean, float(interval.low), float(interval.high))


def paired_t(gains: Sequence[float]) -> float | None:
    """Two-sided p-value of no gain, from one difference per seed; None for a single seed.

    Equal gains have no spread: p is 0, or 1 if all are 0.
    """
    from scipy.stats import ttest_1samp

    if len(gains) < 2:
        return None
    if len(set(gains)) == 1:
        return 0.0 if gains[0] else 1.0
    return float(ttest_1samp(gains, 0).pvalue)


class Difference(NamedTuple):
    mean: float
    """Mean of the second sample less that of the first."""
    error: float
    """Its standard error."""
    freedom: float
    """Degrees of freedom of `error`."""


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The difference of two samples of other variances, of two values at least.

    Source: Welch 1947, Biometrika 34(1/2).
    """
    parts = [max(variance(one), LEAST_VARIANCE) / len(one) for one in (first, second)]
    shares = [part**2 / (len(one) - 1) for part, one in zip(parts, (first, second), strict=True)]
    return Difference(
        mean=fmean(second) - fmean(first),
        error=math.sqrt(sum(parts)),
        freedom=sum(parts) ** 2 / sum(shares),
    )


def holm(p_values: Sequence[float], *, level: float) -> list[bool]:
    """Which hypotheses are rejected so that one true one is, in all, with probability `level`.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    rejected = [False] * len(p_values)
    for rank, place in enumerate(order):
        if not p_values[place] <= level / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected
