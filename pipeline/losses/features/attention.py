"""Attention transfer, summed over all feature maps of equal size.

Source: Zagoruyko & Komodakis 2016, arXiv 1612.03928, p = 2.
"""

from pipeline.losses.contract import FeaturePairs
from pipeline.losses.features.maps import matching
from targets.untyped import KerasModel, Tensor

WEIGHT = 1000.0


def pairs(*, student: KerasModel, teacher: KerasModel) -> FeaturePairs:
    maps = matching(student=student, teacher=teacher, loss="attention")
    return FeaturePairs(student=[own for own, _ in maps], teacher=[other for _, other in maps])


def loss(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    maps = zip(student, teacher, strict=True)
    return sum(attention(student=own, teacher=other) for own, other in maps)


def attention(*, student: Tensor, teacher: Tensor) -> Tensor:
    """mean (A_s - A_t)², A = mean_c f² of a map [batch, h, w, c], of length 1 per sample."""
    import tensorflow as tf

    def of(features: Tensor) -> Tensor:
        energy = tf.reduce_mean(features**2, axis=-1)
        return tf.math.l2_normalize(tf.reshape(energy, [tf.shape(energy)[0], -1]), axis=1)

    return tf.reduce_mean((of(student) - of(tf.stop_gradient(teacher))) ** 2)
