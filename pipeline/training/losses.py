"""Losses as pure functions of logits [batch, classes]; each returns a scalar, the batch's mean."""

from typing import Any

Tensor = Any


def cross_entropy(*, student: Tensor, labels: Tensor) -> Tensor:
    """CE = -mean_i log softmax(z_s)[i, y_i]; `labels` are class indices [batch]."""
    import tensorflow as tf

    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=student)
    )


def kl_divergence(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(softmax(z_t/T) || softmax(z_s/T)); no gradient reaches the teacher.

    T² keeps the gradient's size independent of T: it is T (p_s - p_t) / batch. Both terms come
    from log-softmax, so that logits of ±1e4 give numbers. Source: Hinton et al. 2015,
    arXiv 1503.02531, section 2.
    """
    import tensorflow as tf

    log_p_teacher = tf.nn.log_softmax(tf.stop_gradient(teacher) / temperature)
    log_p_student = tf.nn.log_softmax(student / temperature)
    pointwise = tf.exp(log_p_teacher) * (log_p_teacher - log_p_student)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(pointwise, axis=-1))


def distillation(
    *, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, alpha: float
) -> Tensor:
    """(1-α) CE + α T² KL: Hinton et al. 2015, arXiv 1503.02531."""
    return (1 - alpha) * cross_entropy(student=student, labels=labels) + alpha * kl_divergence(
        student=student, teacher=teacher, temperature=temperature
    )
