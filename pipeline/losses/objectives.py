"""What training minimises: a function of the student's outputs, the teacher's and the labels.

An objective is called with `student=`, `teacher=` (logits [batch, classes]) and `labels=` [batch].
"""

from collections.abc import Callable, Mapping

from pipeline.datasets.splits import UNLABELLED
from pipeline.losses import LOSSES
from pipeline.losses.contract import LossSettings
from pipeline.losses.formulas import cross_entropy
from pipeline.losses.labels import LabelLoss
from targets.untyped import Tensor

Objective = Callable[..., Tensor]


def distillation(
    name: str,
    *,
    temperature: float,
    alpha: float,
    parameters: Mapping[str, float],
    label_loss: LabelLoss = cross_entropy,
) -> Objective:
    """(1 - alpha) CE + alpha times the named loss; CE is `label_loss`.

    With alpha 0 the teacher is not used, with 1 the labels only where the loss itself needs them.
    """
    settings = LossSettings(temperature=temperature, alpha=alpha, parameters=parameters)
    loss = LOSSES[name].loss

    def objective(*, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        total = 0.0
        if alpha < 1:
            total += (1 - alpha) * label_loss(student=student, labels=labels)
        if alpha > 0:
            known = labels if label_loss is cross_entropy else _completed(labels, teacher)
            total += alpha * loss(student=student, teacher=teacher, labels=known, settings=settings)
        return total

    return objective


def _completed(labels: Tensor, teacher: Tensor) -> Tensor:
    """The teacher's own class in place of a missing label, for losses that compare the others."""
    import tensorflow as tf

    return tf.where(
        labels == UNLABELLED, tf.argmax(teacher, axis=-1, output_type=labels.dtype), labels
    )


def supervised(label_loss: LabelLoss) -> Objective:
    """`label_loss` alone, for a network without a teacher."""

    def objective(*, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        return label_loss(student=student, labels=labels)

    return objective
