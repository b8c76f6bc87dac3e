import random
from statistics import median

import pytest

from targets.bench.stats import median_interval, percentile, speedup, summarise


def test_a_percentile_is_a_sample_that_was_seen() -> None:
    assert percentile(list(range(100)), 0.9) == 90
    assert percentile([7], 0.9) == 7


def test_six_processes_are_the_fewest_for_a_95_percent_interval() -> None:
    assert median_interval([1, 2, 3, 4, 5]) is None
    interval = median_interval([3, 1, 2, 6, 5, 4])
    assert interval is not None
    assert (interval.low, interval.high) == (1, 6)
    assert interval.level == pytest.approx(0.96875)


def test_ten_processes_leave_out_the_extremes() -> None:
    interval = median_interval(list(range(10)))
    assert interval is not None
    assert (interval.low, interval.high) == (1, 8)
    assert interval.level == pytest.approx(0.978515625)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    draw = random.Random(0)
    covered = 0
    for _ in range(2000):
        interval = median_interval([draw.expovariate(1) for _ in range(6)])
        assert interval is not None
        covered += interval.low <= 0.6931 <= interval.high
    assert covered / 2000 == pytest.approx(0.969, abs=0.015)


def test_the_headline_is_the_median_over_processes_not_over_samples() -> None:
    many_slow = summarise([[10, 10], [20, 20], [90] * 100])
    assert many_slow.median_ns == 20
    assert (many_slow.processes, many_slow.samples) == (3, 104)


def test_drift_that_both_models_share_cancels_in_the_speed_up() -> None:
    drift = [1.0, 1.5, 2.0, 4.0, 3.0, 1.2]
    baseline = [[round(1000 * d)] * 5 for d in drift]
    candidate = [[round(250 * d)] * 5 for d in drift]
    seen = speedup(baseline=baseline, candidate=candidate)
    assert seen.ratio == pytest.approx(4.0)
    assert seen.interval is not None
    assert seen.interval.low == pytest.approx(4.0)
    assert median(b[0] for b in baseline) != median(c[0] for c in candidate)
