"""What training minimises: a function of the student's outputs, the teacher's and the labels.

An objective is called with `student=`, `teacher=` (logits [batch, classes]) and `labels=` [batch].
"""

from collections.abc import Callable, Mapping

from pipeline.losses import LOSSES
from pipeline.losses.contract import LossSettings
from pipeline.losses.formulas import cross_entropy
from targets.untyped import Tensor

Objective = Callable[..., Tensor]


def distillation(
    name: str, *, temperature: float, alpha: float, parameters: Mapping[str, float]
) -> Objective:
    """(1 - alpha) CE + alpha times the named loss.

    With alpha 0 the teacher is not used, with 1 the labels only where the loss itself needs them.
    """
    settings = LossSettings(temperature=temperature, alpha=alpha, parameters=parameters)
    loss = LOSSES[name].loss

    def objective(*, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        total = 0.0
        if alpha < 1:
            total += (1 - alpha) * cross_entropy(student=student, labels=labels)
        if alpha > 0:
            total += alpha * loss(
                student=student, teacher=teacher, labels=labels, settings=settings
            )
        return total

    return objective


def hard_labels(*, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy alone, for a network without a teacher."""
    return cross_entropy(student=student, labels=labels)
