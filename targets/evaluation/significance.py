"""Whether one network is better than another, or only seems so: tests and intervals on pairs.

Two things vary. Other test images would give another accuracy: `mcnemar` and `clustered_mcnemar`,
whose unit is the image. Another seed would train another network: `mean_interval` and `paired_t`,
whose unit is the seed, and which say nothing of other images. A gain is shown by both or not shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Right = npt.NDArray[np.bool_]
EXACT_BELOW = 25
"""Discordant pairs for which the chi-squared approximation is too coarse."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two networks on the same images."""

    gain: float
    """Accuracy after less accuracy before: (c - b) / samples."""
    interval: tuple[float, float]
    """Of the gain: Bonett and Price's adjusted Wald interval."""
    b: int
    """Images that became wrong."""
    c: int
    """Images that became right."""
    p_value: float
    """Two-sided, of McNemar's test."""


def mcnemar(*, before: Right, after: Right) -> Paired:
    """McNemar 1947 on which samples are right, [samples] each.

    p is the exact binomial one where fewer than 25 pairs are discordant, else that of chi-squared
    with Edwards' continuity correction, (|b - c| - 1)² / (b + c).
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
    """Of a difference of paired shares, (c - b) / samples.

    The Wald interval after one pair was added to b and one to c: Bonett and Price 2012, Journal of
    Educational and Behavioral Statistics 37(4). Never empty, and holds its level for few pairs too.
    """
    from scipy.stats import norm

    lost, won = (b + 1) / (samples + 2), (c + 1) / (samples + 2)
    error = np.sqrt((lost + won - (won - lost) ** 2) / (samples + 2))
    reach = float(norm.ppf((1 + level) / 2) * error)
    return max(-1.0, won - lost - reach), min(1.0, won - lost + reach)


def clustered_mcnemar(*, before: Right, after: Right) -> float:
    """The two-sided p of no gain over all seeds; the images are what varies. [seeds, samples] each.

    The seeds of one image are no independent samples, so each image is one cluster:
    chi² = (Σ d)² / Σ d², d = the images' pairs won less those lost. With one seed it is McNemar's
    test without the correction. Source: Durkalski et al. 2003, Statistics in Medicine 22(15).
    """
    from scipy.stats import chi2

    d = (after.astype(np.int64) - before).sum(axis=0)
    spread = int((d**2).sum())
    return float(chi2.sf(int(d.sum()) ** 2 / spread, df=1)) if spread else 1.0


class Mean(NamedTuple):
    """Of few values; no interval of one."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float], level: float = 0.95) -> Mean:
    """Student's t interval of the mean over seeds.

    It covers what another seed would change, not what other test images would; with three seeds it
    reaches 2.5 standard deviations either way, so that only what is large or very steady stands
    out.
    """
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return Mean(mean, None, None)
    reach = float(t.ppf((1 + level) / 2, len(values) - 1) * _standard_error(values))
    return Mean(mean, mean - reach, mean + reach)


def paired_t(gains: Sequence[float]) -> float | None:
    """The two-sided p of no gain over seeds, `gains` being one difference per seed; None for one.

    Equal gains have no spread: p is 0 then, and 1 where they are all 0.
    """
    from scipy.stats import t

    if len(gains) < 2:
        return None
    mean, error = float(np.mean(gains)), _standard_error(gains)
    if error == 0:
        return 0.0 if mean else 1.0
    return float(2 * t.sf(abs(mean) / error, len(gains) - 1))


def _standard_error(values: Sequence[float]) -> Any:
    # Equal floats can have a mean that differs from them in the last bit.
    return np.std(values, ddof=1) / np.sqrt(len(values)) if len(set(values)) > 1 else 0.0
