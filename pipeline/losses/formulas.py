"""Formulas that several losses share: pure functions of logits [batch, classes], each a scalar.

The teacher gets no gradient, and logits of ±1e4 give finite numbers: probabilities come from
log-softmax.
"""

from targets.untyped import Tensor


def cross_entropy(*, student: Tensor, labels: Tensor) -> Tensor:
    """CE = -mean_i log softmax(z_s)[i, y_i]; `labels` are class indices [batch]."""
    import tensorflow as tf

    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=student)
    )


def weighted_cross_entropy(
    *, student: Tensor, labels: Tensor, weights: Tensor, smoothing: float
) -> Tensor:
    """CE = -mean_i w_i ((1 - s) log p_i[y_i] + s mean_k log p_i[k]), p = softmax(z_s).

    `weights` [batch] is 0 for a label of -1. Smoothing: Szegedy et al. 2015, arXiv 1512.00567.
    """
    import tensorflow as tf

    log_p = tf.nn.log_softmax(student)
    target = tf.one_hot(labels, student.shape[-1], dtype=log_p.dtype)
    of_label, of_all = tf.reduce_sum(target * log_p, axis=-1), tf.reduce_mean(log_p, axis=-1)
    return -tf.reduce_mean(weights * ((1 - smoothing) * of_label + smoothing * of_all))


def kl_divergence(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(softmax(z_t/T) || softmax(z_s/T)).

    T² keeps the gradient's size independent of T: it is T (p_s - p_t) / batch.
    """
    import tensorflow as tf

    log_p_teacher = tf.nn.log_softmax(tf.stop_gradient(teacher) / temperature)
    log_p_student = tf.nn.log_softmax(student / temperature)
    return temperature**2 * tf.reduce_mean(kl(log_p_teacher, log_p_student))


def squared_error(*, student: Tensor, teacher: Tensor) -> Tensor:
    """mean (z_s - z_t)², of logits or of features of one shape."""
    import tensorflow as tf

    return tf.reduce_mean((student - tf.stop_gradient(teacher)) ** 2)


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) over the last axis, from logarithms; 0 log 0 is 0."""
    import tensorflow as tf

    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)
