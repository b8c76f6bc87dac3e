import math
import platform
import random
import re
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

import numpy as np
import pytest
from scipy.stats import quantile_test

from targets.bench import statistics
from targets.bench.statistics import (
    compare,
    early_stopping_bound,
    early_stopping_rank,
    median_interval,
    percentile,
    summarise,
)

LEAST = {0.5: 11, 0.9: 64, 0.95: 130, 0.99: 662}
"""Percentile -> the fewest samples whose early-stopping bound exists."""


def test_a_percentile_is_a_sample_that_was_seen() -> None:
    assert percentile(np.arange(100), 0.9) == 90
    assert percentile(np.array([7]), 0.9) == 7


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


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_interval_of_the_median_has_the_ends_that_scipy_gives(level: float) -> None:
    draw = np.random.default_rng(0)
    for n in range(1, 120):
        values = draw.normal(size=n)
        theirs = quantile_test(values, q=0, p=0.5).confidence_interval(level)
        ours = median_interval(values.tolist(), level)
        if ours is None:
            assert math.isnan(theirs.low) or math.isnan(theirs.high), n
        else:
            assert (ours.low, ours.high) == (theirs.low, theirs.high), n
            assert ours.level >= level


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
    seen = compare(baseline=baseline, candidate=candidate)
    assert seen.ratio == pytest.approx(4.0)
    assert seen.interval is not None
    assert seen.interval.low == pytest.approx(4.0)
    assert median(b[0] for b in baseline) != median(c[0] for c in candidate)


def exact_rank(n: int, percent: int) -> int | None:
    """The largest t >= 1 with P(Binomial(n, 1 - percent / 100) <= t) < 1 / 100, in integers."""
    total, t = percent**n, 0
    while True:
        total += math.comb(n, t + 1) * (100 - percent) ** (t + 1) * percent ** (n - t - 1)
        if 100 * total >= 100**n:
            return t or None
        t += 1


@pytest.mark.parametrize(("share", "least"), LEAST.items())
def test_a_bound_takes_as_many_samples_as_the_exact_binomial_says(share: float, least: int) -> None:
    percent = round(100 * share)
    assert [exact_rank(n, percent) for n in (least - 1, least)] == [None, 1]
    assert early_stopping_bound(np.arange(least - 1), share) is None
    assert early_stopping_bound(np.arange(least), share) == least - 1


@pytest.mark.parametrize("share", LEAST)
def test_what_is_discarded_is_the_exact_binomial_count(share: float) -> None:
    percent = round(100 * share)
    for n in range(10, 1100, 7):
        assert early_stopping_rank(n, share) == exact_rank(n, percent), n


def loadgen(folder: Path, *, queries: int, share: float) -> tuple[list[int], str]:
    """The official LoadGen on a device that answers at once: the latencies, and its summary.

    LoadGen times from its own side; its trace has the latency of each query to the nanosecond.
    """
    import mlperf_loadgen as lg

    def answer(asked: list[Any]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(one.id, 0, 0) for one in asked])

    settings, log = lg.TestSettings(), lg.LogSettings()
    settings.scenario = lg.TestScenario.SingleStream
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = 0
    settings.single_stream_target_latency_percentile = share
    log.enable_trace = True
    log.log_output.outdir = str(folder)
    log.log_output.copy_summary_to_stdout = False
    device = lg.ConstructSUT(answer, lambda: None)
    library = lg.ConstructQSL(64, 64, lambda _: None, lambda _: None)
    lg.StartTestWithLogSettings(device, library, settings, log)
    lg.DestroyQSL(library)
    lg.DestroySUT(device)
    trace = (folder / "mlperf_log_trace.json").read_text()
    samples = [int(ns) for ns in re.findall(r'"issue_start_ns":0,"complete_ns":(\d+)', trace)]
    return samples, (folder / "mlperf_log_summary.txt").read_text()


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, f"{pattern} is not in {text}"
    return int(found[1])


@pytest.mark.skipif(platform.machine() == "aarch64", reason="mlcommons-loadgen has no wheel here")
@pytest.mark.parametrize(
    ("share", "queries"),
    [
        (0.5, 11), (0.5, 300), (0.9, 64), (0.9, 100), (0.9, 200), (0.9, 1024), (0.95, 130),
        (0.95, 777), (0.99, 662), (0.99, 2000),
    ],
)  # fmt: skip
def test_the_official_loadgen_discards_as_many_and_estimates_the_same(
    share: float, queries: int, tmp_path: Path
) -> None:
    samples, said = loadgen(tmp_path, queries=queries, share=share)
    assert len(samples) == queries
    assert (min(samples), max(samples)) == (
        number(r"Min latency \(ns\) +: (\d+)", said), number(r"Max latency \(ns\) +: (\d+)", said)
    )  # fmt: skip
    rank = early_stopping_rank(queries, share)
    assert rank is not None
    assert rank - 1 == number(r"Would discard (\d+) highest", said)
    estimate = rf"Early stopping {100 * share:.1f}th percentile estimate: (\d+)"
    assert early_stopping_bound(np.sort(samples), share) == number(estimate, said)
    plain = rf"{100 * share:.2f} percentile latency \(ns\) +: (\d+)"
    assert percentile(np.sort(samples), share) == number(plain, said)


@pytest.mark.skipif(platform.machine() == "aarch64", reason="mlcommons-loadgen has no wheel here")
@pytest.mark.parametrize(("share", "least"), LEAST.items())
def test_below_the_minimum_the_official_loadgen_gives_no_estimate_either(
    share: float, least: int, tmp_path: Path
) -> None:
    samples, said = loadgen(tmp_path, queries=least - 1, share=share)
    assert f"Need to process at least {least} queries" in said
    assert early_stopping_bound(np.sort(samples), share) is None


def test_tail_percentiles_are_null_where_the_samples_are_too_few() -> None:
    def tails(n: int) -> list[bool]:
        seen = summarise([list(range(1, n + 1))])
        return [seen.p90_early_stopping_ns is None, seen.p95_ns is None, seen.p99_ns is None]

    assert tails(63) == [True, True, True]
    assert tails(64) == [False, True, True]
    assert tails(130) == [False, False, True]
    assert tails(662) == [False, False, False]


def test_nothing_is_clipped_and_the_spread_is_told() -> None:
    samples = [100] * 90 + [120] * 6 + [301] * 3 + [90_000]
    seen = summarise([samples[::2], samples[1::2]])
    assert (seen.min_ns, seen.max_ns, seen.p90_ns) == (100, 90_000, 120)
    assert seen.mean_ns == pytest.approx(fmean(samples))
    assert seen.cv == pytest.approx(pstdev(samples) / fmean(samples))
    assert seen.spike_share == pytest.approx(0.04)
    assert seen.mad_ns == 0
    assert summarise([[1, 2, 3, 10]]).mad_ns == 1


def test_the_t_interval_and_the_detectable_difference_by_hand() -> None:
    """k = 6, logs of mean 0.02 and standard deviation 0.01; t(.975, 5) 2.5706, t(.8, 5) 0.9195."""
    steps = [-1, -1, -1, 1, 1, 1]
    logs = [0.02 + 0.01 * math.sqrt(5 / 6) * step for step in steps]
    baseline = [[round(1e12 * math.exp(log))] for log in logs]
    seen = compare(baseline=baseline, candidate=[[10**12]] * 6)
    assert seen.t_interval is not None
    assert math.log(seen.t_interval.low) == pytest.approx(0.02 - 2.5706 * 0.01 / 6**0.5, abs=1e-6)
    assert math.log(seen.t_interval.high) == pytest.approx(0.02 + 2.5706 * 0.01 / 6**0.5, abs=1e-6)
    assert seen.mdd == pytest.approx(math.expm1((2.5706 + 0.9195) * 0.01 / 6**0.5), abs=1e-6)
    assert seen.interval is not None
    assert (seen.interval.low, seen.interval.high) == pytest.approx(
        (math.exp(min(logs)), math.exp(max(logs)))
    )
    assert seen.verdict == "faster"


def test_the_verdict_says_on_which_side_the_interval_lies() -> None:
    one, other = [[100], [102], [101], [99], [98], [100]], [[50], [52], [49], [51], [50], [48]]
    assert compare(baseline=one, candidate=other).verdict == "faster"
    assert compare(baseline=other, candidate=one).verdict == "slower"
    assert compare(baseline=one, candidate=one[::-1]).verdict == "no difference shown"
    assert compare(baseline=one, candidate=one).verdict == "no difference shown"


def test_too_few_blocks_or_an_invalid_one_give_no_verdict() -> None:
    slow, fast = [[100], [102], [101], [99], [98], [100]], [[50]] * 6
    assert compare(baseline=slow[:5], candidate=fast[:5]).verdict == "invalid"
    assert compare(baseline=slow, candidate=fast, valid=False).verdict == "invalid"
    alone = compare(baseline=slow[:1], candidate=fast[:1])
    assert (alone.ratio, alone.t_interval, alone.interval, alone.mdd) == (2, None, None, None)


RUNS = 1000


def simulated(
    rng: np.random.Generator, *, runs: int, blocks: int, effect: float, bursts: float
) -> Any:
    """Samples in ns, [runs, blocks, 2, 11]: of a baseline that is slower by `effect`, and another.

    The machine drifts (3 % from round to round, in both), each process is fast or slow by 1 %, each
    query by 2 %; one query in 25 is a spike of 2 to 8 times. `bursts` is the share of blocks of one
    model that are slower by 15 % throughout.
    """
    each, query = (runs, blocks, 2, 1), (runs, blocks, 2, 11)
    drift = rng.normal(0, 0.03, (runs, blocks, 1, 1)).cumsum(axis=1)
    noise = rng.normal(0, 0.01, each) + rng.normal(0, 0.02, query)
    spikes = np.where(rng.random(query) < 0.04, rng.uniform(2, 8, query), 1)
    burst = np.where(rng.random(each) < bursts, 1.15, 1)
    level = np.array([200_000 * (1 + effect), 200_000]).reshape(2, 1)
    return np.rint(level * np.exp(drift + noise) * spikes * burst).astype(int)


def verdicts(samples: Any) -> list[str]:
    return [
        compare(baseline=[pair[0] for pair in run], candidate=[pair[1] for pair in run]).verdict
        for run in samples.tolist()
    ]


@pytest.mark.parametrize("bursts", [0, 0.02])
@pytest.mark.parametrize("blocks", [6, 10])
def test_a_verdict_is_rarely_wrong_and_finds_what_it_says_it_can(
    blocks: int, bursts: float
) -> None:
    """Simulated runs under drift and spikes: false positives, and power at the true MDD."""
    rng = np.random.default_rng(4)
    many = np.median(simulated(rng, runs=4 * RUNS, blocks=blocks, effect=0, bursts=bursts), axis=-1)
    true_sd = float(np.std(np.log(many[..., 0] / many[..., 1])))
    mdd = math.expm1(statistics.detectable_errors(blocks) * true_sd / math.sqrt(blocks))

    def seen(times: int) -> list[str]:
        effect = times * mdd
        return verdicts(simulated(rng, runs=RUNS, blocks=blocks, effect=effect, bursts=bursts))

    same = seen(0)
    assert same.count("faster") + same.count("slower") <= 0.07 * RUNS
    assert same.count("no difference shown") >= 0.93 * RUNS
    assert seen(1).count("faster") >= 0.75 * RUNS
    assert seen(2).count("faster") >= 0.95 * RUNS


def test_the_printed_detectable_difference_is_the_true_one_in_the_middle() -> None:
    rng = np.random.default_rng(5)
    samples = simulated(rng, runs=RUNS, blocks=6, effect=0, bursts=0)
    printed = [
        compare(baseline=[pair[0] for pair in run], candidate=[pair[1] for pair in run]).mdd
        for run in samples.tolist()
    ]
    middles = np.median(samples, axis=-1)
    true_sd = float(np.std(np.log(middles[..., 0] / middles[..., 1])))
    true = math.expm1(statistics.detectable_errors(6) * true_sd / math.sqrt(6))
    assert median(value for value in printed if value is not None) == pytest.approx(true, rel=0.1)
