"""Summaries of raw samples. Nothing is clipped; each can be computed again from the blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float
    level: float
    """Coverage that the ranks really give, at least the one asked for where there are enough."""


def percentile(samples: Sequence[int], share: float) -> int:
    """`sorted[floor(n * share)]`, as MLPerf LoadGen takes it."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def median_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """The narrowest order-statistic interval of the median that covers `level`.

    Distribution-free: P(x[k] <= median <= x[n-1-k]) = 1 - 2 P(Binomial(n, 1/2) <= k). None where
    even the extremes cover less, which is below six values for 95 %.
    """
    from scipy.stats import binom

    ordered = sorted(values)
    best = None
    for k in range((len(ordered) + 1) // 2):
        covered = 1 - 2 * float(binom.cdf(k, len(ordered), 0.5))
        if covered < level:
            break
        best = Interval(low=ordered[k], high=ordered[-1 - k], level=covered)
    return best


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    processes: int
    samples: int
    median_ns: float
    """Over processes, of each process's median."""
    interval: Interval | None
    p90_ns: int
    """Over the samples of all processes."""


def summarise(samples_by_process: Sequence[Sequence[int]]) -> LatencySummary:
    medians = [median(samples) for samples in samples_by_process]
    pooled = [ns for samples in samples_by_process for ns in samples]
    return LatencySummary(
        processes=len(medians),
        samples=len(pooled),
        median_ns=median(medians),
        interval=median_interval(medians),
        p90_ns=percentile(pooled, 0.9),
    )


@dataclass(frozen=True, kw_only=True)
class Speedup:
    ratio: float
    """Baseline over candidate: above 1 the candidate is faster. Median over paired blocks."""
    interval: Interval | None


def speedup(*, baseline: Sequence[Sequence[int]], candidate: Sequence[Sequence[int]]) -> Speedup:
    """From blocks measured side by side: the machine's drift is in both and cancels."""
    ratios = [median(slow) / median(fast) for slow, fast in zip(baseline, candidate, strict=True)]
    return Speedup(ratio=median(ratios), interval=median_interval(ratios))
