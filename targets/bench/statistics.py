"""Latency statistics of raw samples in ns. No sample is clipped or left out.

A block is the measurement of one model by one fresh process. Blocks are the unit of replication:
consecutive inferences of one process are not independent, and a 95 % interval over them covered the
true median in 45 % of the cases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median, stdev
from typing import Literal

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
"""Confidence level of every interval and of the verdict."""
POWER = 0.80
"""Probability of detecting a difference of the size of the minimal detectable one."""
LEAST_BLOCKS = 6
"""Smallest number of blocks whose median has a distribution-free interval of `LEVEL`."""
LOADGEN_CONFIDENCE = 0.99
"""MLPerf inference rules, appendix on early stopping: c = 0.99, tolerance d = 0."""
SPIKE = 3.0
"""A sample above this multiple of the median is a spike. Spikes are counted, never left out."""

Verdict = Literal["faster", "slower", "no difference shown", "invalid"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float
    level: float
    """Actual coverage; of an order-statistic interval at least the requested one."""


Ordered = npt.NDArray[np.int64]
"""Sorted samples in ns, [samples]."""


def percentile(ordered: Ordered, share: float) -> int:
    """`ordered[floor(n * share)]`, the definition of MLPerf LoadGen."""
    return int(ordered[min(int(len(ordered) * share), len(ordered) - 1)])


def median_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The narrowest symmetric order-statistic interval of the median that covers `level`.

    Distribution-free: P(x[k] <= median <= x[n-1-k]) = 1 - 2 P(Binomial(n, 1/2) <= k). None if the
    extremes cover less, as with fewer than six values at 95 %. `scipy.stats.quantile_test` has the
    same ends, but not the coverage.
    """
    k, coverage = _trimmed(len(values), level)
    if k < 0:
        return None
    ordered = sorted(values)
    return Interval(low=ordered[k], high=ordered[-1 - k], level=coverage)


@cache
def _trimmed(n: int, level: float) -> tuple[int, float]:
    """(number of values outside the interval at either end, its coverage); -1 without interval."""
    from scipy.stats import binom

    k = int(binom.ppf((1 - level) / 2, n, 0.5)) - 1
    return k, 1 - 2 * float(binom.cdf(k, n, 0.5))


def early_stopping_bound(ordered: Ordered, share: float) -> int | None:
    """Upper bound, at 99 % confidence, of the percentile `share`: the t-th highest sample.

    MLPerf LoadGen's rule for SingleStream (loadgen/early_stopping.cc, results.cc). None for fewer
    samples than the rule needs: 11 for p50, 64 for p90, 130 for p95, 662 for p99.
    """
    rank = early_stopping_rank(len(ordered), share)
    return None if rank is None else int(ordered[len(ordered) - rank])


@cache
def early_stopping_rank(n: int, share: float) -> int | None:
    """The largest t >= 1 with P(Binomial(n, 1 - share) <= t) < 1 - c; LoadGen discards t - 1."""
    from scipy.stats import binom

    # ppf is the smallest count that reaches 1 - c: the one before is the last that does not.
    rank = int(binom.ppf(1 - LOADGEN_CONFIDENCE, n, 1 - share)) - 1
    return rank if rank >= 1 else None


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """Latency of one model. All but the median and its interval are over the samples of all
    processes; a tool that does not give samples leaves None what needs them."""

    processes: int
    samples: int
    median_ns: float | None
    """Median over processes of each process's median."""
    interval: Interval | None = None
    """Interval of `median_ns`, over processes."""
    min_ns: int
    max_ns: int
    mean_ns: float
    p90_ns: int | None = None
    p90_early_stopping_ns: int | None = None
    """LoadGen's upper bound of p90; None below 64 samples."""
    p95_ns: int | None = None
    """95th percentile; None below 130 samples, `p99_ns` below 662: never an extrapolation."""
    p99_ns: int | None = None
    mad_ns: float | None = None
    """Median absolute deviation from the median of the samples, not scaled."""
    cv: float | None = None
    """Standard deviation over mean."""
    spike_share: float | None = None
    """Share of samples above three times the median."""


def summarise(samples_by_process: Sequence[Sequence[int]]) -> LatencySummary:
    """Summary of the samples in ns of at least one process, each with at least one sample."""
    medians = [float(np.median(samples)) for samples in samples_by_process]
    pooled = np.sort(np.concatenate([np.asarray(s, np.int64) for s in samples_by_process]))
    middle, mean = float(np.median(pooled)), float(np.mean(pooled))
    return LatencySummary(
        processes=len(medians),
        samples=len(pooled),
        median_ns=median(medians),
        interval=median_interval(medians),
        p90_ns=percentile(pooled, 0.9),
        p90_early_stopping_ns=early_stopping_bound(pooled, 0.9),
        p95_ns=_bounded(pooled, 0.95),
        p99_ns=_bounded(pooled, 0.99),
        min_ns=int(pooled[0]),
        max_ns=int(pooled[-1]),
        mean_ns=mean,
        mad_ns=float(np.median(np.abs(pooled - middle))),
        cv=float(np.std(pooled)) / mean,
        spike_share=float(np.mean(pooled > SPIKE * middle)),
    )


def _bounded(ordered: Ordered, share: float) -> int | None:
    """The percentile, or None if LoadGen has no bound of it for so few samples."""
    return None if early_stopping_rank(len(ordered), share) is None else percentile(ordered, share)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Speed-up from blocks measured side by side: drift that both share cancels."""

    ratio: float
    """Baseline over candidate: above 1 the candidate is faster. Median over paired blocks."""
    interval: Interval | None
    """Interval of the ratio, by order statistics; None below six blocks."""
    t_interval: Interval | None
    """Interval of the mean log ratio, exponentiated; decides the verdict. None for one block."""
    mdd: float | None
    """Minimal detectable difference: with 0.02, 80 % of such measurements detect a difference of
    2 %. None for one block."""
    blocks: int
    verdict: Verdict


def compare(
    *,
    baseline: Sequence[Sequence[int]],
    candidate: Sequence[Sequence[int]],
    valid: bool = True,
) -> Comparison:
    """Compare paired blocks of samples in ns, at least one pair.

    The verdict is "invalid" below six pairs, or if `valid` is false because a block is not valid.
    Verdict and minimal detectable difference come from the t interval of the log block ratios: a
    bootstrap of six blocks finds a difference in 13 % of the comparisons of a model with itself.
    """
    ratios = [median(slow) / median(fast) for slow, fast in zip(baseline, candidate, strict=True)]
    logs = [math.log(ratio) for ratio in ratios]
    interval = _t_interval(logs)
    enough = len(ratios) >= LEAST_BLOCKS and valid
    return Comparison(
        ratio=float(median(ratios)),
        interval=median_interval(ratios),
        t_interval=interval,
        mdd=_detectable(logs),
        blocks=len(ratios),
        verdict=_verdict(interval) if interval and enough else "invalid",
    )


def _t_interval(logs: Sequence[float]) -> Interval | None:
    if len(logs) < 2:
        return None
    middle, reach = fmean(logs), _t(len(logs) - 1, (1 + LEVEL) / 2) * _standard_error(logs)
    return Interval(low=math.exp(middle - reach), high=math.exp(middle + reach), level=LEVEL)


def _detectable(logs: Sequence[float]) -> float | None:
    if len(logs) < 2:
        return None
    return math.expm1(detectable_errors(len(logs)) * _standard_error(logs))


def detectable_errors(blocks: int) -> float:
    """Minimal detectable difference in standard errors of the mean log ratio."""
    return _t(blocks - 1, (1 + LEVEL) / 2) + _t(blocks - 1, POWER)


def _standard_error(logs: Sequence[float]) -> float:
    return stdev(logs) / math.sqrt(len(logs))


@cache
def _t(df: int, share: float) -> float:
    from scipy.stats import t

    return float(t.ppf(share, df))


def _verdict(interval: Interval) -> Verdict:
    if interval.low > 1:
        return "faster"
    return "slower" if interval.high < 1 else "no difference shown"
