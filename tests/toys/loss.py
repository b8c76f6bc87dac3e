"""Mean absolute difference of the logits, times a parameter."""

from pipeline.losses.contract import LossSettings
from targets.untyped import Tensor

PUBLISHED = LossSettings(temperature=2.0, alpha=0.5, parameters={"scale": 1.0})


def loss(*, student: Tensor, teacher: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    import tensorflow as tf

    gap = tf.abs(student - tf.stop_gradient(teacher)) / settings.temperature
    return settings.parameters["scale"] * tf.reduce_mean(gap)
