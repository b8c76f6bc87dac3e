"""Tests and intervals against hand-computed values, scipy, and what they promise to cover."""

import numpy as np
import pytest
from scipy.stats import binom, chi2, ttest_1samp, ttest_rel

from targets.evaluation import significance
from targets.evaluation.significance import (
    Right,
    clustered_mcnemar,
    mcnemar,
    mean_interval,
    paired_t,
)


def pairs(*, both: int = 0, lost: int = 0, won: int = 0, neither: int = 0) -> dict[str, Right]:
    counts = (both, lost, won, neither)
    return {
        "before": np.repeat([True, True, False, False], counts),
        "after": np.repeat([True, False, True, False], counts),
    }


def test_few_discordant_pairs_are_tested_exactly() -> None:
    seen = mcnemar(**pairs(both=90, lost=1, won=7, neither=2))
    assert (seen.b, seen.c, seen.gain) == (1, 7, 0.06)
    assert seen.p_value == pytest.approx(2 * (1 + 8) / 2**8)  # P(X <= 1) of 8 fair coins, twice
    assert seen.p_value == pytest.approx(2 * binom.cdf(1, 8, 0.5))


def test_many_discordant_pairs_are_tested_with_the_corrected_chi_squared() -> None:
    seen = mcnemar(**pairs(both=9500, lost=59, won=86, neither=355))
    assert seen.p_value == pytest.approx(chi2.sf((27 - 1) ** 2 / 145, 1))
    assert seen.p_value == pytest.approx(0.0308, abs=1e-4)


def test_equal_networks_are_not_separated() -> None:
    same = mcnemar(**pairs(both=7, neither=3))
    assert (same.gain, same.p_value) == (0.0, 1.0)
    assert same.interval[0] < 0 < same.interval[1]
    assert mcnemar(**pairs(lost=50, won=50)).p_value == 1.0


def test_the_interval_of_a_gain_has_its_hand_computed_value() -> None:
    # (1+1)/23 and (7+1)/23: 6/23 +- 1.95996 sqrt((10/23 - (6/23)^2) / 23)
    low, high = significance.paired_interval(b=1, c=7, samples=21)
    assert [low, high] == pytest.approx([0.0134, 0.5084], abs=1e-4)


def test_the_interval_covers_the_true_gain_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    draws = random.multinomial(400, [0.9, 0.04, 0.06], 4000)
    intervals = [significance.paired_interval(b=b, c=c, samples=400) for _, b, c in draws]
    covered = np.mean([low <= 0.02 <= high for low, high in intervals])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_one_seed_of_the_clustered_test_is_mcnemar_without_correction() -> None:
    seed = pairs(both=100, lost=12, won=30, neither=10)
    seen = clustered_mcnemar(before=seed["before"][None], after=seed["after"][None])
    assert seen == pytest.approx(chi2.sf((30 - 12) ** 2 / 42, 1))


def test_seeds_that_repeat_each_other_add_no_evidence() -> None:
    """Counted as independent they would: 3 times the discordant pairs."""
    seed = pairs(both=100, lost=12, won=30, neither=10)
    once = clustered_mcnemar(before=seed["before"][None], after=seed["after"][None])
    thrice = {name: np.tile(values, (3, 1)) for name, values in seed.items()}
    assert clustered_mcnemar(**thrice) == pytest.approx(once)
    assert clustered_mcnemar(before=thrice["before"], after=thrice["before"]) == 1.0


def test_the_clustered_test_errs_as_rarely_as_it_says() -> None:
    random = np.random.default_rng(0)
    hard = random.random((600, 1, 500)) < 0.3  # images that all seeds tend to have wrong
    before, after = (random.random((600, 3, 500)) > 0.1 + 0.5 * hard for _ in range(2))
    rejected = [
        clustered_mcnemar(before=b, after=a) < 0.05 for b, a in zip(before, after, strict=True)
    ]
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.025)


def test_seeds_are_compared_by_the_paired_t_test() -> None:
    before, after = [0.920, 0.925, 0.921], [0.926, 0.928, 0.929]
    gains = [a - b for a, b in zip(after, before, strict=True)]
    assert paired_t(gains) == pytest.approx(ttest_rel(after, before).pvalue)
    mean, low, high = mean_interval(gains)
    expected = ttest_1samp(gains, 0).confidence_interval(0.95)
    assert [low, high] == pytest.approx([expected.low, expected.high])
    assert mean == pytest.approx(0.017 / 3)


def test_one_seed_has_a_mean_and_no_interval() -> None:
    assert mean_interval([0.9]) == (0.9, None, None)
    assert paired_t([0.1]) is None


def test_equal_gains_are_no_accident_of_rounding() -> None:
    assert list(mean_interval([0.1, 0.1, 0.1])) == pytest.approx([0.1, 0.1, 0.1])
    assert paired_t([0.1, 0.1, 0.1]) == 0.0
    assert paired_t([0.0, 0.0, 0.0]) == 1.0
