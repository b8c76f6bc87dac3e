"""DIST: T² (inter_weight inter + intra_weight intra), correlations in place of a divergence.

Source: Huang et al. 2022, arXiv 2205.10536.
"""

from pipeline.losses.contract import LossSettings
from targets.untyped import Tensor

PUBLISHED = LossSettings(
    temperature=4.0,
    alpha=0.5,
    parameters={"inter_weight": 2.0, "intra_weight": 2.0},
    couples_batch=True,
)


def loss(*, student: Tensor, teacher: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    inter, intra = correlation(student=student, teacher=teacher, temperature=settings.temperature)
    weighted = (
        settings.parameters["inter_weight"] * inter + settings.parameters["intra_weight"] * intra
    )
    return settings.temperature**2 * weighted


def correlation(*, student: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(inter, intra) of DIST: 1 - Pearson's correlation of softmax(z/T), by sample and by class.

    `intra` is over the batch, so that it changes with the batch's size.
    """
    import tensorflow as tf

    p_teacher = tf.nn.softmax(tf.stop_gradient(teacher) / temperature)
    p_student = tf.nn.softmax(student / temperature)
    return _distance(p_teacher, p_student, axis=-1), _distance(p_teacher, p_student, axis=0)


def _distance(a: Tensor, b: Tensor, *, axis: int) -> Tensor:
    import tensorflow as tf

    a = a - tf.reduce_mean(a, axis=axis, keepdims=True)
    b = b - tf.reduce_mean(b, axis=axis, keepdims=True)
    size = tf.sqrt(tf.reduce_sum(a * a, axis=axis) * tf.reduce_sum(b * b, axis=axis) + 1e-16)
    return 1 - tf.reduce_mean(tf.reduce_sum(a * b, axis=axis) / size)
