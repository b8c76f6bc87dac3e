"""Statistics of raw samples. Nothing is clipped; each can be computed again from the blocks.

A block is what one fresh process measured of one model. Blocks are the unit of replication:
consecutive inferences of one process are not independent, and an interval over them covered the
truth 45 % of the time.
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
"""Of every interval, and of the verdict."""
POWER = 0.80
"""With which a difference as large as the minimal detectable one is found."""
LEAST_BLOCKS = 6
"""The fewest whose median has a distribution-free interval of `LEVEL`."""
LOADGEN_CONFIDENCE = 0.99
"""MLPerf inference rules, appendix on early stopping: c = 0.99, tolerance d = 0."""
SPIKE = 3.0
"""Times the median: a sample above is a spike. It is counted, never left out."""

Verdict = Literal["faster", "slower", "no difference shown", "invalid"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float
    level: float
    """Coverage that the ranks really give, at least the one asked for where there are enough."""


def percentile(samples: Sequence[int], share: float) -> int:
    """`sorted[floor(n * share)]`, as MLPerf LoadGen takes it."""
    return _at(np.sort(samples), share)


def _at(ordered: npt.NDArray[np.int64], share: float) -> int:
    return int(ordered[min(int(len(ordered) * share), len(ordered) - 1)])


def median_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The narrowest order-statistic interval of the median that covers `level`.

    Distribution-free: P(x[k] <= median <= x[n-1-k]) = 1 - 2 P(Binomial(n, 1/2) <= k). None where
    even the extremes cover less, which is below six values for 95 %.
    """
    best = _narrowest(len(values), level)
    if best is None:
        return None
    k, covered = best
    ordered = sorted(values)
    return Interval(low=ordered[k], high=ordered[-1 - k], level=covered)


@cache
def _narrowest(n: int, level: float) -> tuple[int, float] | None:
    """How many values to leave out at either end, and what is covered then."""
    from scipy.stats import binom

    best = None
    for k in range((n + 1) // 2):
        covered = 1 - 2 * float(binom.cdf(k, n, 0.5))
        if covered < level:
            break
        best = k, covered
    return best


def early_stopping_bound(samples: Sequence[int], share: float = 0.9) -> int | None:
    """What the percentile `share` is below with 99 % confidence: the t-th highest sample.

    MLPerf LoadGen's rule for SingleStream (loadgen/early_stopping.cc, results.cc). None where the
    samples are too few for it: p50 needs 11, p90 64, p95 130, p99 662.
    """
    return _bound(np.sort(samples), share)


def _bound(ordered: npt.NDArray[np.int64], share: float) -> int | None:
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
    """Of one model. All but the first three are over the samples of all processes."""

    processes: int
    samples: int
    median_ns: float
    """Over processes, of each process's median."""
    interval: Interval | None
    """Of `median_ns`, over processes."""
    p90_ns: int
    p90_early_stopping_ns: int | None
    """LoadGen's upper bound of p90; null below 64 samples."""
    p95_ns: int | None
    """Null below 130 samples; p99 below 662: never an extrapolation."""
    p99_ns: int | None
    min_ns: int
    max_ns: int
    mean_ns: float
    mad_ns: float
    """Median absolute deviation from the median of the samples, not scaled."""
    cv: float
    """Standard deviation over mean."""
    spike_share: float
    """Of samples above three times the median."""


def summarise(samples_by_process: Sequence[Sequence[int]]) -> LatencySummary:
    """Of at least one process, each with at least one sample."""
    medians = [float(np.median(samples)) for samples in samples_by_process]
    pooled = np.sort(np.concatenate([np.asarray(s, np.int64) for s in samples_by_process]))
    middle, mean = float(np.median(pooled)), float(np.mean(pooled))
    return LatencySummary(
        processes=len(medians),
        samples=len(pooled),
        median_ns=median(medians),
        interval=median_interval(medians),
        p90_ns=_at(pooled, 0.9),
        p90_early_stopping_ns=_bound(pooled, 0.9),
        p95_ns=_where_shown(pooled, 0.95),
        p99_ns=_where_shown(pooled, 0.99),
        min_ns=int(pooled[0]),
        max_ns=int(pooled[-1]),
        mean_ns=mean,
        mad_ns=float(np.median(np.abs(pooled - middle))),
        cv=float(np.std(pooled)) / mean,
        spike_share=float(np.mean(pooled > SPIKE * middle)),
    )


def _where_shown(ordered: npt.NDArray[np.int64], share: float) -> int | None:
    """The percentile, where there are enough samples for LoadGen to bound it."""
    return None if early_stopping_rank(len(ordered), share) is None else _at(ordered, share)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """From blocks measured side by side: the machine's drift is in both and cancels."""

    ratio: float
    """Baseline over candidate: above 1 the candidate is faster. Median over paired blocks."""
    interval: Interval | None
    """Of the ratio, by order statistics; null below six blocks."""
    t_interval: Interval | None
    """Of the mean log ratio, exponentiated; null for one block. The verdict is read off it."""
    mdd: float | None
    """Minimal detectable difference: 0.02 means that a difference of 2 % would be found in 80 %
    of such measurements. Null for one block."""
    blocks: int
    verdict: Verdict


def compare(
    *,
    baseline: Sequence[Sequence[int]],
    candidate: Sequence[Sequence[int]],
    valid: bool = True,
) -> Comparison:
    """The samples of paired blocks, at least one pair; `valid`: whether all of them are.

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
    """How many standard errors of the mean log ratio the minimal detectable difference is."""
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


@dataclass(frozen=True, kw_only=True)
class Speedup:
    ratio: float
    """Baseline over candidate: above 1 the candidate is faster. Median over paired blocks."""
    interval: Interval | None


def speedup(*, baseline: Sequence[Sequence[int]], candidate: Sequence[Sequence[int]]) -> Speedup:
    """The part of `compare` that has no verdict."""
    seen = compare(baseline=baseline, candidate=candidate)
    return Speedup(ratio=seen.ratio, interval=seen.interval)
