"""A feature loss beside the loss on logits: both networks give their features as outputs."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.losses import FEATURE_LOSSES
from pipeline.losses.objectives import Objective
from targets.untyped import KerasModel, Tensor


@dataclass(frozen=True, kw_only=True)
class FeatureDistillation:
    """Both networks with the features that are compared: samples -> [logits, *features]."""

    student: KerasModel
    teacher: KerasModel
    loss: Callable[..., Tensor]
    """Called with the lists of features `student=` and `teacher=`."""


def feature_distillation(
    name: str, *, student: KerasModel, teacher: KerasModel
) -> FeatureDistillation:
    """Both networks with the features of the loss `name` as further outputs.

    Raises `InputError` where the networks have no features that fit.
    """
    named = FEATURE_LOSSES[name]
    pairs = named.pairs(student=student, teacher=teacher)
    return FeatureDistillation(
        student=_with_outputs(student, pairs.student),
        teacher=_with_outputs(teacher, pairs.teacher),
        loss=named.loss,
    )


def with_features(
    objective: Objective, distillation: FeatureDistillation, *, weight: float
) -> Objective:
    """`objective` on the logits plus `weight` times the feature loss."""

    def total(*, student: list[Tensor], teacher: list[Tensor], labels: Tensor) -> Tensor:
        (logits, *features), (teacher_logits, *teacher_features) = student, teacher
        on_logits = objective(student=logits, teacher=teacher_logits, labels=labels)
        return on_logits + weight * distillation.loss(student=features, teacher=teacher_features)

    return total


def _with_outputs(model: KerasModel, features: list[Tensor]) -> KerasModel:
    from tf_keras import Model

    return Model(model.input, [model.output, *features], name=f"{model.name}_features")
