"""Known values: computed once in float64 with a reference implementation, tolerance 1e-6."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.training import losses

STUDENT = np.array([[1, 2, 0.5, -1], [0.2, -0.3, 1.5, 0.7], [-0.5, 0, 0.4, 2.2]])
TEACHER = np.array([[2, 3.5, -0.5, 0], [0.1, 0.2, 2.5, -1], [-1, 0.3, 1.2, 3]])
LABELS = np.array([1, 2, 3])


def kd(temperature: float, student: Any = STUDENT, teacher: Any = TEACHER) -> Any:
    return losses.kl_divergence(
        student=tf.constant(student), teacher=tf.constant(teacher), temperature=temperature
    )


def test_cross_entropy_has_its_known_value() -> None:
    loss = losses.cross_entropy(student=tf.constant(STUDENT), labels=tf.constant(LABELS))
    assert float(loss) == pytest.approx(0.4751298880, abs=1e-6)


@pytest.mark.parametrize(
    ("temperature", "known"), [(1.0, 0.1301401892), (2.0, 0.2591439088), (4.0, 0.3262071419)]
)
def test_kl_divergence_has_its_known_value(temperature: float, known: float) -> None:
    assert float(kd(temperature)) == pytest.approx(known, abs=1e-6)


def test_distillation_weighs_labels_and_teacher() -> None:
    loss = losses.distillation(
        student=tf.constant(STUDENT),
        teacher=tf.constant(TEACHER),
        labels=tf.constant(LABELS),
        temperature=4.0,
        alpha=0.9,
    )
    assert float(loss) == pytest.approx(0.3410994165, abs=1e-6)


def test_the_gradient_of_the_student_has_its_known_value_and_the_teacher_gets_none() -> None:
    student, teacher = tf.Variable(STUDENT), tf.Variable(TEACHER)
    with tf.GradientTape() as tape:
        loss = losses.kl_divergence(student=student, teacher=teacher, temperature=4.0)
    of_student, of_teacher = tape.gradient(loss, [student, teacher])
    assert float(of_student[0, 0]) == pytest.approx(-0.0173184352, abs=1e-6)
    assert of_teacher is None


def test_a_student_like_its_teacher_has_no_loss() -> None:
    assert float(kd(4.0, TEACHER, TEACHER)) == pytest.approx(0, abs=1e-12)


def test_temperature_hardly_changes_the_size_of_the_gradient() -> None:
    def size(temperature: float) -> float:
        student = tf.Variable(STUDENT)
        with tf.GradientTape() as tape:
            loss = losses.kl_divergence(
                student=student, teacher=tf.constant(TEACHER), temperature=temperature
            )
        return float(tf.norm(tape.gradient(loss, student)))

    assert size(8.0) == pytest.approx(size(4.0), rel=0.2)


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_extreme_logits_give_numbers(temperature: float) -> None:
    extreme = np.array([[1e4, -1e4, 0.0, 1e4], [-1e4, 1e4, 1e4, -1e4]], np.float32)
    objective = partial(losses.distillation, temperature=temperature, alpha=0.9)
    student = tf.Variable(extreme)
    with tf.GradientTape() as tape:
        loss = objective(
            student=student, teacher=tf.constant(extreme[::-1]), labels=tf.constant([0, 1])
        )
    assert math.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, student).numpy()).all()
