"""Words in a long recording are found once each, and counted as the literature counts them."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from targets.evaluation.streaming import (
    Detection,
    Listening,
    OperatingPoint,
    Spoken,
    best_within,
    curve,
    detections,
    operating_point,
    rate_interval,
    smoothed,
)

HOW = Listening(hop_s=0.5, window_s=1.0, smoothed_over=2, ignored=frozenset({0}))
"""Class 0 is silence; two windows decide."""


def scores(*classes: int, height: float = 0.9) -> npt.NDArray[np.float64]:
    """[windows, 3]: a window of each class in turn."""
    made = np.full((len(classes), 3), (1 - height) / 2)
    made[np.arange(len(classes)), classes] = height
    return made


def test_the_mean_is_over_the_latest_windows_and_those_that_are() -> None:
    values = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert smoothed(values, 2)[:, 0].tolist() == [0.0, 0.5, 1.0, 0.5]
    assert smoothed(values, 1).tolist() == values.tolist()
    assert smoothed(values, 9)[:, 0] == pytest.approx([0, 1 / 2, 2 / 3, 2 / 4])


def test_a_word_over_several_windows_is_one_detection_at_the_end_of_a_window() -> None:
    found = detections(scores(0, 0, 1, 1, 1, 1, 1, 1, 0, 0), HOW, threshold=0.8)
    assert [(one.index, one.time_s) for one in found] == [(1, 3 * 0.5 + 1.0)]
    assert found[0].probability == pytest.approx(0.9)


def test_a_single_window_is_smoothed_away() -> None:
    assert detections(scores(0, 1, 0, 0), HOW, threshold=0.8) == []


def test_a_word_is_found_again_after_a_pause_below_the_threshold() -> None:
    found = detections(scores(0, 1, 1, 0, 0, 1, 1, 2, 2, 2), HOW, threshold=0.8)
    assert [(one.index, one.time_s) for one in found] == [(1, 2.0), (1, 4.0), (2, 5.0)]


def test_another_word_within_the_pause_waits_for_its_end() -> None:
    patient = Listening(hop_s=0.5, window_s=1.0, smoothed_over=1, pause_s=1.5)
    found = detections(scores(1, 2, 2, 2, 2), patient, threshold=0.8)
    assert [(one.index, one.time_s) for one in found] == [(1, 1.0), (2, 2.5)]


def test_silence_is_no_word() -> None:
    assert detections(scores(0, 0, 0, 0), HOW, threshold=0.8) == []
    assert detections(scores(0, 0, 0, 0), HOW, threshold=0.04)[0].index != 0


def detection(index: int, time_s: float) -> Detection:
    return Detection(index=index, time_s=time_s, probability=0.9)


WORDS = [Spoken(index=1, start_s=1, end_s=2), Spoken(index=2, start_s=5, end_s=6)]


def test_false_accepts_are_per_hour_and_false_rejects_a_share() -> None:
    found = [
        detection(1, 1.5), detection(1, 2.4),  # the same word, twice
        detection(2, 2.0),  # another word
        detection(2, 6.6),  # too late
    ]  # fmt: skip
    point = operating_point(found, WORDS, threshold=0.5, length_s=1800, tolerance_s=0.5)
    assert point == OperatingPoint(threshold=0.5, words=2, missed=1, false_accepts=2, hours=0.5)
    assert (point.false_accepts_per_hour, point.false_reject_rate) == (4.0, 0.5)


def test_what_detects_nothing_misses_everything() -> None:
    point = operating_point([], WORDS, threshold=1.0, length_s=1800, tolerance_s=0.5)
    assert (point.false_accepts, point.missed, point.words) == (0, 2, 2)


def point(threshold: float, *, missed: int, false_accepts: int) -> OperatingPoint:
    return OperatingPoint(
        threshold=threshold, words=10, missed=missed, false_accepts=false_accepts, hours=0.5
    )


def test_the_middle_one_of_equally_good_thresholds_is_chosen() -> None:
    points = [
        point(0.5, missed=0, false_accepts=9),
        point(0.6, missed=1, false_accepts=1),
        *(point(at, missed=1, false_accepts=0) for at in (0.7, 0.8, 0.9)),
        point(0.95, missed=4, false_accepts=0),
    ]
    chosen = best_within(points, most_per_hour=2)
    assert chosen is not None
    assert chosen.threshold == 0.8
    assert best_within(points, most_per_hour=18) == points[0]


def test_the_interval_of_a_rate_is_the_exact_one_of_poisson() -> None:
    """The ends by their definition: each tail has 2.5 %."""
    assert rate_interval(0, hours=1) == pytest.approx((0, -math.log(0.025)))
    low, high = rate_interval(5, hours=2)
    assert (low, high) == pytest.approx((1.6235 / 2, 11.6683 / 2), rel=1e-4)  # Garwood's table

    def at_most(count: int, mean: float) -> float:
        return sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(count + 1))

    assert at_most(5, 2 * high) == pytest.approx(0.025)
    assert 1 - at_most(4, 2 * low) == pytest.approx(0.025)


def test_a_higher_threshold_misses_more_and_accepts_less() -> None:
    random = np.random.default_rng(0)
    classes = np.zeros(4000, np.int64)
    places = np.arange(20, 3900, 40)
    words = 1 + np.arange(len(places)) % 2
    for place, word in zip(places, words, strict=True):
        classes[place : place + 4] = word
    sure = random.uniform(0.3, 1.0, (4000, 1))
    noise = random.dirichlet([0.3] * 3, 4000)
    one_hot: npt.NDArray[np.float64] = np.eye(3)[classes]
    probabilities = sure * one_hot + (1 - sure) * noise
    spoken = [
        Spoken(index=int(word), start_s=place * 0.5, end_s=(place + 3) * 0.5 + 1)
        for place, word in zip(places.tolist(), words, strict=True)
    ]
    points = curve(probabilities, spoken, HOW, thresholds=[0.5, 0.6, 0.7, 0.8, 0.9, 1.01])
    accepts = [one.false_accepts_per_hour for one in points]
    rejects = [one.false_reject_rate for one in points]
    assert accepts == sorted(accepts, reverse=True)
    assert rejects == sorted(rejects)
    assert accepts[0] > 20 > accepts[-1] == 0
    assert rejects[0] < 0.05 < rejects[-1] == 1
    chosen = best_within(points, most_per_hour=accepts[2])
    assert chosen == points[2]
    assert best_within(points[:1], most_per_hour=0) is None


def test_a_recording_without_a_word_has_no_share_of_missed_ones() -> None:
    with pytest.raises(ValueError, match="without a spoken word"):
        curve(scores(0, 0), [], HOW, thresholds=[0.5])
