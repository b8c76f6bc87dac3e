"""Accuracy and fidelity against published, hand-computed and scipy's values."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from targets.evaluation import metrics
from targets.evaluation.confusion import (
    balanced_accuracy,
    class_scores,
    confusion,
    imbalance,
    macro_f1,
)

STUDENT = np.array([[1, 2, 0.5, -1], [0.2, -0.3, 1.5, 0.7], [-0.5, 0, 0.4, 2.2]])
TEACHER = np.array([[2, 3.5, -0.5, 0], [0.1, 0.2, 2.5, -1], [-1, 0.3, 1.2, 3]])
LABELS = np.array([1, 2, 3])


def test_expected_calibration_error_has_its_known_value() -> None:
    error = metrics.expected_calibration_error(STUDENT, LABELS)
    assert error == pytest.approx(0.3720706434, abs=1e-6)


def test_a_confidence_of_1_counts_in_the_last_bin() -> None:
    certain = 1000 * np.eye(3)
    assert metrics.expected_calibration_error(certain, np.arange(3)) == 0
    assert metrics.expected_calibration_error(certain, np.array([0, 1, 0])) == pytest.approx(1 / 3)


def test_confidences_are_counted_in_15_bins() -> None:
    """0.52 and 0.54 are on two sides of 8/15; of 14 or 16 bins they would share one."""
    confidence = np.array([0.52, 0.54])
    logits = np.log(np.stack([confidence, 1 - confidence], axis=1))
    error = metrics.expected_calibration_error(logits, np.array([0, 1]))
    assert error == pytest.approx((0.48 + 0.54) / 2)


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


def test_scores_that_are_not_finite_are_no_class() -> None:
    scores = np.eye(4)
    scores[2, 1] = np.nan
    with pytest.raises(metrics.NotFiniteError, match=r"1 of 4 samples .* sample 2"):
        metrics.top1(scores, np.arange(4))
    with pytest.raises(metrics.NotFiniteError):
        metrics.agreement(np.eye(4), scores)


def test_one_score_is_a_class_at_one_half_of_probabilities_and_at_zero_of_logits() -> None:
    labels = np.array([0, 1, 1, 0])
    assert metrics.top1(np.array([[0.1], [0.9], [0.51], [0.5]]), labels) == 1
    assert metrics.top1(np.array([[-3.0], [0.1], [7.0], [0.0]]), labels) == 1
    assert metrics.top1(np.array([[-3.0], [0.1], [0.2], [-0.1]]), labels) == 1  # none above 1
    assert metrics.top1(np.array([[0.0], [0.1], [7.0], [0.0]]), labels) == 1  # none below 0


def test_the_rounded_probabilities_of_a_quantized_sigmoid_are_probabilities() -> None:
    assert metrics.binary_threshold(np.array([[0.0], [1.0005]])) == 0.5
    assert metrics.binary_threshold(np.array([[-0.0005], [1.0]])) == 0.5
    assert metrics.binary_threshold(np.array([[0.0], [1.01]])) == 0.0


def test_a_copy_of_one_score_is_judged_by_the_threshold_of_its_reference() -> None:
    logits = np.array([[-3.0], [3.0], [2.0], [0.2]])
    lost = np.array([[0.0], [0.4], [0.4], [0.4]])  # by its own range it would be probabilities
    assert metrics.agreement(logits, lost) == 1
    assert metrics.agreement(logits, np.zeros((4, 1))) == 0.25


def test_an_accuracy_is_held_against_naming_the_most_frequent_class() -> None:
    labels = np.array([0] * 95 + [1] * 5)
    assert metrics.most_frequent_share(labels) == 0.95
    assert not metrics.shown_above_chance(0.95, labels)
    assert metrics.shown_above_chance(1.0, labels)


def test_a_file_of_one_output_is_counted_at_the_threshold_of_its_network() -> None:
    """A broken copy of a network of logits may give what looks like probabilities."""
    labels = np.array([0, 1, 1, 1])
    scores = np.array([[0.1], [0.2], [0.4], [0.9]])
    assert metrics.top1(scores, labels) == 0.5
    assert metrics.top1(scores, labels, threshold=0.0) == 0.75


UNEVEN = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
FOUND = np.array([0, 0, 0, 0, 1, 3, 1, 0, 2])
"""Class 3 is predicted, and absent."""


def test_scores_by_class_agree_with_scikit_learn() -> None:
    counts = confusion(np.eye(5)[FOUND], UNEVEN, classes=5)
    scores = class_scores(counts)
    precision, recall, f1, support = precision_recall_fscore_support(
        UNEVEN, FOUND, labels=range(3), zero_division=0
    )
    np.testing.assert_array_equal(counts, confusion_matrix(UNEVEN, FOUND, labels=range(5)))
    np.testing.assert_array_equal(scores.support[:3], support)
    for ours, theirs in (
        (scores.precision, precision),
        (scores.recall, recall),
        (scores.f1, f1),
    ):
        np.testing.assert_allclose(ours[:3], theirs)


def test_classes_that_the_labels_lack_do_not_count_in_a_mean() -> None:
    counts = confusion(np.eye(5)[FOUND], UNEVEN, classes=5)
    assert balanced_accuracy(counts) == pytest.approx((4 / 6 + 1 / 2 + 1) / 3)
    assert macro_f1(counts) == pytest.approx(
        f1_score(UNEVEN, FOUND, labels=range(3), average="macro")
    )
    assert np.isnan(class_scores(counts).recall[3])


def test_naming_the_most_frequent_class_is_no_better_than_chance_when_balanced() -> None:
    counts = confusion(np.tile([1.0, 0, 0], (9, 1)), UNEVEN, classes=3)
    assert balanced_accuracy(counts) == pytest.approx(1 / 3)
    assert imbalance(UNEVEN) == 6
