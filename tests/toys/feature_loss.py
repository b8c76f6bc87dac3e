"""Squared difference of the mean feature in front of the classifier."""

from pipeline.losses.contract import FeaturePairs
from targets.untyped import KerasModel, Tensor

WEIGHT = 0.5


def pairs(*, student: KerasModel, teacher: KerasModel) -> FeaturePairs:
    return FeaturePairs(student=[student.layers[-1].input], teacher=[teacher.layers[-1].input])


def loss(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    import tensorflow as tf

    own = tf.reduce_mean(student[0], axis=1)
    other = tf.reduce_mean(tf.stop_gradient(teacher[0]), axis=1)
    return tf.reduce_mean((own - other) ** 2)
