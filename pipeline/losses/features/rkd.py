"""Relational KD on the features in front of the classifier: 25 distance + 50 angle.

Source: Park et al. 2019, arXiv 1904.05068.
"""

from pipeline.losses.contract import FeaturePairs
from targets.untyped import KerasModel, Tensor

WEIGHT = 1.0
COUPLES_BATCH = True
DISTANCE_WEIGHT, ANGLE_WEIGHT = 25, 50


def pairs(*, student: KerasModel, teacher: KerasModel) -> FeaturePairs:
    return FeaturePairs(student=[student.layers[-1].input], teacher=[teacher.layers[-1].input])


def loss(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    distance, angle = relations(student=student[0], teacher=teacher[0])
    return DISTANCE_WEIGHT * distance + ANGLE_WEIGHT * angle


def relations(*, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """(distance, angle) of RKD between the samples of a batch of features [batch, n].

    Huber losses of pairwise distances over their mean, and of the cosines at each sample between
    each two others. Both change with the batch's size.
    """
    import tensorflow as tf

    teacher = tf.stop_gradient(teacher)
    return (
        _huber(_distances(student), _distances(teacher)),
        _huber(_cosines(student), _cosines(teacher)),
    )


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
    """[batch, batch, batch]: at sample i, the cosine between the vectors to j and to k."""
    import tensorflow as tf

    vectors = tf.math.l2_normalize(
        features[None, :, :] - features[:, None, :], axis=2, epsilon=1e-24
    )
    return tf.matmul(vectors, vectors, transpose_b=True)


def _huber(a: Tensor, b: Tensor) -> Tensor:
    import tensorflow as tf

    gap = tf.abs(a - b)
    return tf.reduce_mean(tf.where(gap < 1, 0.5 * gap**2, gap - 0.5))
