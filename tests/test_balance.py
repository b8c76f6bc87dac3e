"""Unequal classes, smoothed labels, and images without a label."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.splits import UNLABELLED
from pipeline.losses import LOSSES
from pipeline.losses.formulas import cross_entropy
from pipeline.losses.labels import balanced_weights, label_loss
from pipeline.losses.objectives import distillation
from pipeline.training.augmentation import balanced_order
from tests.tasks import LOADED

LOGITS = np.array([[1, 2, 0.5], [0.2, -0.3, 1.5], [-0.5, 0, 0.4], [2, 1, 0]])
LABELS = np.array([1, 2, 2, 0])
UNEQUAL = np.array([0] * 60 + [1] * 30 + [2] * 10)


def value(loss: Any, labels: Any = LABELS) -> float:
    return float(loss(student=tf.constant(LOGITS), labels=tf.constant(labels)))


def log_p(label: int, row: int) -> float:
    logits = LOGITS[row]
    return float(logits[label] - np.log(np.exp(logits).sum()))


def test_without_a_wish_the_loss_is_plain_cross_entropy() -> None:
    assert label_loss(LABELS, 3, balanced=False, smoothing=0.0) is cross_entropy


def test_class_weights_give_each_class_the_same_total_and_a_mean_of_1() -> None:
    weights = balanced_weights(UNEQUAL, 4)
    assert weights == pytest.approx((100 / 180, 100 / 90, 100 / 30, 0))
    per_sample = np.array(weights)[UNEQUAL]
    assert per_sample.mean() == pytest.approx(1)
    assert balanced_weights(np.array([*UNEQUAL, -1, -1]), 4) == weights


def test_a_weighted_loss_has_its_known_value() -> None:
    loss = label_loss(LABELS, 3, balanced=True, smoothing=0.0)
    weights = 4 / (3 * np.array([1, 1, 2]))
    terms = [weights[label] * log_p(label, row) for row, label in enumerate(LABELS)]
    assert value(loss) == pytest.approx(-np.mean(terms))


def test_smoothing_spreads_a_share_of_each_label_over_all_classes() -> None:
    loss = label_loss(LABELS, 3, balanced=False, smoothing=0.3)
    terms = [
        0.7 * log_p(label, row) + 0.1 * sum(log_p(k, row) for k in range(3))
        for row, label in enumerate(LABELS)
    ]
    assert value(loss) == pytest.approx(-np.mean(terms))


def test_without_wishes_the_weighted_formula_is_that_of_cross_entropy() -> None:
    loss = label_loss(np.array([*LABELS, UNLABELLED]), 3, balanced=False, smoothing=0.0)
    assert loss is not cross_entropy
    assert value(loss) == pytest.approx(value(cross_entropy))


def test_an_image_without_a_label_has_no_cross_entropy_and_its_gradient_is_zero() -> None:
    labels = np.array([1, UNLABELLED, 2, UNLABELLED])
    loss = label_loss(labels, 3, balanced=False, smoothing=0.1)
    student = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        total = loss(student=student, labels=tf.constant(labels))
    gradient = tape.gradient(total, student).numpy()
    assert np.abs(gradient[[0, 2]]).min() > 0
    assert (gradient[[1, 3]] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_from_the_teacher_of_an_image_without_a_label(name: str) -> None:
    """Where a loss asks for the label, it gets the teacher's own class."""
    labels, teacher = np.full(4, UNLABELLED), LOGITS[::-1] * 2
    published = LOSSES[name].PUBLISHED

    def total(labels: Any) -> float:
        objective = distillation(
            name,
            temperature=published.temperature,
            alpha=1.0,
            parameters=published.parameters,
            label_loss=label_loss(np.array([UNLABELLED]), 3, balanced=False, smoothing=0.0),
        )
        return float(
            objective(
                student=tf.constant(LOGITS),
                teacher=tf.constant(teacher),
                labels=tf.constant(labels),
            )
        )

    assert total(labels) > 0
    assert total(labels) == pytest.approx(total(teacher.argmax(axis=1)))


@LOADED
@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    unlabelled=st.integers(0, 20),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
)
def test_in_a_balanced_epoch_all_classes_are_met_equally_often(
    counts: list[int], unlabelled: int, seed: int, epoch: int
) -> None:
    labels = np.concatenate(
        [np.full(count, label) for label, count in enumerate(counts)]
        + [np.full(unlabelled, UNLABELLED)]
    )
    order = balanced_order(labels, seed=seed, epoch=epoch)
    assert len(order) == len(labels)
    met = np.bincount(labels[order] + 1, minlength=len(counts) + 1)
    assert met[0] == unlabelled
    assert met[1:].max() - met[1:].min() <= 1
    for label in range(len(counts)):
        times = np.bincount(order, minlength=len(labels))[labels == label]
        assert times.max() - times.min() <= 1
    np.testing.assert_array_equal(order, balanced_order(labels, seed=seed, epoch=epoch))


def test_balanced_epochs_differ_and_meet_every_image_of_a_large_class_in_time() -> None:
    epochs = [balanced_order(UNEQUAL, seed=0, epoch=epoch) for epoch in range(12)]
    assert (epochs[0] != epochs[1]).any()
    assert set(np.concatenate(epochs)) == set(range(100))
