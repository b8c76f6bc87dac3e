import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from targets import metrics
from tests.test_losses import LABELS, STUDENT, TEACHER


def test_expected_calibration_error_has_its_known_value() -> None:
    error = metrics.expected_calibration_error(STUDENT, LABELS)
    assert error == pytest.approx(0.3720706434, abs=1e-6)


def test_kl_agrees_with_scipy() -> None:
    expected = entropy(softmax(TEACHER, axis=1), softmax(STUDENT, axis=1), axis=1).mean()
    seen = metrics.kl_divergence(reference=TEACHER, model=STUDENT)
    assert seen == pytest.approx(expected, abs=1e-9)


def test_top1_and_agreement_count_labels() -> None:
    assert metrics.top1(STUDENT, np.array([1, 2, 0])) == pytest.approx(2 / 3)
    assert metrics.agreement(STUDENT, TEACHER) == 1.0
    assert metrics.agreement(STUDENT, -STUDENT) == 0.0


def test_wilson_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263.
    low, high = metrics.wilson_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def logits_of(*classes: int) -> metrics.Logits:
    """Logits [samples, 4] whose largest is of these classes."""
    return np.eye(4)[list(classes)]


FLIPS = dict(
    before=logits_of(0, 0, 0, 1, 1, 2),
    after=logits_of(0, 1, 2, 1, 1, 3),
    labels=np.array([0, 0, 0, 1, 0, 3]),
)


def test_a_negative_flip_was_right_and_is_wrong() -> None:
    assert metrics.negative_flip_rate(**FLIPS) == pytest.approx(2 / 6)
    back = {**FLIPS, "before": FLIPS["after"], "after": FLIPS["before"]}
    assert metrics.negative_flip_rate(**back) == pytest.approx(1 / 6)


def test_the_worst_class_is_named_and_absent_classes_do_not_count() -> None:
    assert metrics.worst_class_change(**FLIPS) == (-2 / 4, 0)
    gained = {**FLIPS, "before": FLIPS["after"], "after": FLIPS["before"]}
    assert metrics.worst_class_change(**gained) == (-1.0, 3)
