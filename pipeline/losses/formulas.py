"""Losses as pure functions of logits [batch, classes] or features; each returns a scalar.

Every one is held to known values in `tests/test_losses.py`. The teacher gets no gradient, and
logits of ±1e4 give numbers: probabilities come from log-softmax, and roots stay off zero.
"""

from typing import Any

Tensor = Any

NEVER = 1e30
"""Stands for infinity in a log-sum-exp, where a true one would give NaN gradients."""


def cross_entropy(*, student: Tensor, labels: Tensor) -> Tensor:
    """CE = -mean_i log softmax(z_s)[i, y_i]; `labels` are class indices [batch]."""
    import tensorflow as tf

    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=student)
    )


def kl_divergence(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(softmax(z_t/T) || softmax(z_s/T)).

    T² keeps the gradient's size independent of T: it is T (p_s - p_t) / batch. Source: Hinton et
    al. 2015, arXiv 1503.02531, section 2.
    """
    import tensorflow as tf

    log_p_teacher = tf.nn.log_softmax(tf.stop_gradient(teacher) / temperature)
    log_p_student = tf.nn.log_softmax(student / temperature)
    return temperature**2 * tf.reduce_mean(_kl(log_p_teacher, log_p_student))


def decoupled(
    *, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """(T² TCKD, T² NCKD): the KL divergence of DKD, taken apart.

    TCKD is KL between [p_y, 1 - p_y] of teacher and student, NCKD is KL between their softmax over
    the other classes; per sample KL = TCKD + (1 - p_y) NCKD with the teacher's p_y. Source: Zhao et
    al. 2022, arXiv 2203.08679.
    """
    import tensorflow as tf

    classes = student.shape[-1]
    target = tf.one_hot(labels, classes, on_value=True, off_value=False, dtype=tf.bool)

    def binary(logits: Tensor) -> Tensor:
        of_target = tf.reduce_logsumexp(tf.where(target, logits, -NEVER), axis=-1)
        of_others = tf.reduce_logsumexp(tf.where(target, -NEVER, logits), axis=-1)
        return tf.nn.log_softmax(tf.stack([of_target, of_others], axis=-1))

    def others(logits: Tensor) -> Tensor:
        rest = tf.reshape(tf.boolean_mask(logits, ~target), [-1, classes - 1])
        return tf.nn.log_softmax(rest)

    scaled_teacher, scaled_student = tf.stop_gradient(teacher) / temperature, student / temperature
    tckd = tf.reduce_mean(_kl(binary(scaled_teacher), binary(scaled_student)))
    nckd = tf.reduce_mean(_kl(others(scaled_teacher), others(scaled_student)))
    return temperature**2 * tckd, temperature**2 * nckd


def correlation(*, student: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(inter, intra) of DIST: 1 - Pearson's correlation of softmax(z/T), by sample and by class.

    `intra` is over the batch, so that it changes with the batch's size. Source: Huang et al. 2022,
    arXiv 2205.10536.
    """
    import tensorflow as tf

    p_teacher = tf.nn.softmax(tf.stop_gradient(teacher) / temperature)
    p_student = tf.nn.softmax(student / temperature)
    return _unlike(p_teacher, p_student, axis=-1), _unlike(p_teacher, p_student, axis=0)


def standardized(logits: Tensor) -> Tensor:
    """(z - mean) / (1e-7 + std) per sample, with n - 1 under the root.

    With n the loss comes out a fifth too large for four classes. Source: Sun et al. 2024, arXiv
    2403.01427.
    """
    import tensorflow as tf

    centred = logits - tf.reduce_mean(logits, axis=-1, keepdims=True)
    variance = tf.reduce_sum(centred**2, axis=-1, keepdims=True) / (logits.shape[-1] - 1)
    return centred / (1e-7 + tf.sqrt(tf.maximum(variance, 1e-14)))


def squared_error(*, student: Tensor, teacher: Tensor) -> Tensor:
    """mean (z_s - z_t)²: on logits Kim et al. 2021, arXiv 2105.08919; on features a FitNet hint,
    Romero et al. 2014, arXiv 1412.6550."""
    import tensorflow as tf

    return tf.reduce_mean((student - tf.stop_gradient(teacher)) ** 2)


def attention(*, student: Tensor, teacher: Tensor) -> Tensor:
    """mean (A_s - A_t)², A = mean_c f² of a map [batch, h, w, c], of length 1 per sample.

    Source: Zagoruyko & Komodakis 2016, arXiv 1612.03928, p = 2.
    """
    import tensorflow as tf

    def of(features: Tensor) -> Tensor:
        energy = tf.reduce_mean(features**2, axis=-1)
        return tf.math.l2_normalize(tf.reshape(energy, [tf.shape(energy)[0], -1]), axis=1)

    return tf.reduce_mean((of(student) - of(tf.stop_gradient(teacher))) ** 2)


def relations(*, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """(distance, angle) of RKD between the samples of a batch of features [batch, n].

    Huber losses of pairwise distances over their mean, and of the cosines at each sample between
    each two others. Both change with the batch's size. Source: Park et al. 2019, arXiv 1904.05068.
    """
    import tensorflow as tf

    teacher = tf.stop_gradient(teacher)
    return (
        _huber(_distances(student), _distances(teacher)),
        _huber(_cosines(student), _cosines(teacher)),
    )


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) over the last axis, from logarithms; 0 log 0 is 0."""
    import tensorflow as tf

    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)


def _unlike(a: Tensor, b: Tensor, *, axis: int) -> Tensor:
    import tensorflow as tf

    a = a - tf.reduce_mean(a, axis=axis, keepdims=True)
    b = b - tf.reduce_mean(b, axis=axis, keepdims=True)
    size = tf.sqrt(tf.reduce_sum(a * a, axis=axis) * tf.reduce_sum(b * b, axis=axis) + 1e-16)
    return 1 - tf.reduce_mean(tf.reduce_sum(a * b, axis=axis) / size)


def _distances(features: Tensor) -> Tensor:
    """Pairwise Euclidean distances over their mean, [batch, batch]; 0 on the diagonal."""
    import tensorflow as tf

    squares = tf.reduce_sum(features**2, axis=1)
    product = tf.matmul(features, features, transpose_b=True)
    squared = tf.maximum(squares[:, None] + squares[None, :] - 2 * product, 1e-12)
    apart = tf.linalg.set_diag(tf.sqrt(squared), tf.zeros_like(squares))
    count = tf.cast(tf.math.count_nonzero(apart), apart.dtype)
    return apart / (tf.reduce_sum(apart) / tf.maximum(count, 1))


def _cosines(features: Tensor) -> Tensor:
    """[batch, batch, batch]: at sample i, the cosine between the ways to j and to k."""
    import tensorflow as tf

    ways = tf.math.l2_normalize(features[None, :, :] - features[:, None, :], axis=2, epsilon=1e-24)
    return tf.matmul(ways, ways, transpose_b=True)


def _huber(a: Tensor, b: Tensor) -> Tensor:
    import tensorflow as tf

    gap = tf.abs(a - b)
    return tf.reduce_mean(tf.where(gap < 1, 0.5 * gap**2, gap - 0.5))
