"""Decoupled KD: T² (target_weight TCKD + others_weight NCKD).

Source: Zhao et al. 2022, arXiv 2203.08679.
"""

from pipeline.losses.contract import LossSettings
from pipeline.losses.formulas import kl
from targets.untyped import Tensor

PUBLISHED = LossSettings(
    temperature=4.0,
    alpha=0.5,
    # 8 is the weight for ResNet50 -> MobileNetV2; it warms up over 20 epochs there.
    parameters={"target_weight": 1.0, "others_weight": 8.0},
)

NEVER = 1e30
"""Stands for infinity in a log-sum-exp, where a true one would give NaN gradients."""


def loss(*, student: Tensor, teacher: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    tckd, nckd = decoupled(
        student=student, teacher=teacher, labels=labels, temperature=settings.temperature
    )
    return settings.parameters["target_weight"] * tckd + settings.parameters["others_weight"] * nckd


def decoupled(
    *, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """(T² TCKD, T² NCKD): the KL divergence of DKD, taken apart.

    TCKD is KL between [p_y, 1 - p_y] of teacher and student, NCKD is KL between their softmax over
    the other classes; per sample KL = TCKD + (1 - p_y) NCKD with the teacher's p_y.
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
    tckd = tf.reduce_mean(kl(binary(scaled_teacher), binary(scaled_student)))
    nckd = tf.reduce_mean(kl(others(scaled_teacher), others(scaled_student)))
    return temperature**2 * tckd, temperature**2 * nckd
