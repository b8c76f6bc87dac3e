"""The distillation losses by the names that a recipe uses, with their published settings.

An objective is called with `student=`, `teacher=` (logits [batch, classes]) and `labels=`
[batch]; it is (1 - alpha) CE + alpha times the named term. Where a paper adds its term to the
cross-entropy with weight w, alpha is w / (1 + w): the same gradient up to the learning rate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.losses import formulas

Tensor = Any
Objective = Callable[..., Tensor]


@dataclass(frozen=True, kw_only=True)
class NamedLoss:
    term: Callable[..., Tensor]
    """Called with `student=`, `teacher=`, `labels=`, `temperature=` and the parameters."""
    temperature: float
    alpha: float
    parameters: Mapping[str, float] = field(default_factory=dict)
    label_free: bool = False


def _kd(*, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    return formulas.kl_divergence(student=student, teacher=teacher, temperature=temperature)


def _dkd(
    *,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    temperature: float,
    target_weight: float,
    others_weight: float,
) -> Tensor:
    tckd, nckd = formulas.decoupled(
        student=student, teacher=teacher, labels=labels, temperature=temperature
    )
    return target_weight * tckd + others_weight * nckd


def _dist(
    *,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    temperature: float,
    inter_weight: float,
    intra_weight: float,
) -> Tensor:
    inter, intra = formulas.correlation(student=student, teacher=teacher, temperature=temperature)
    return temperature**2 * (inter_weight * inter + intra_weight * intra)


def _standardized_kd(
    *, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float
) -> Tensor:
    return formulas.kl_divergence(
        student=formulas.standardized(student),
        teacher=formulas.standardized(teacher),
        temperature=temperature,
    )


def _mse(*, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    return formulas.squared_error(student=student / temperature, teacher=teacher / temperature)


LOSSES = {
    "kd": NamedLoss(term=_kd, temperature=4.0, alpha=0.9),
    "dkd": NamedLoss(
        term=_dkd,
        temperature=4.0,
        alpha=0.5,
        # 8 is the weight for ResNet50 -> MobileNetV2; it warms up over 20 epochs there.
        parameters={"target_weight": 1.0, "others_weight": 8.0},
    ),
    "dist": NamedLoss(
        term=_dist,
        temperature=4.0,
        alpha=0.5,
        parameters={"inter_weight": 2.0, "intra_weight": 2.0},
    ),
    "logit_standardization": NamedLoss(term=_standardized_kd, temperature=2.0, alpha=0.9),
    "mse": NamedLoss(term=_mse, temperature=1.0, alpha=0.9),
    "function_matching": NamedLoss(term=_kd, temperature=4.0, alpha=1.0, label_free=True),
}
"""The published settings; `function_matching` is KL alone, without labels (Beyer et al. 2021, arXiv
2106.05237)."""


def distillation(
    name: str, *, temperature: float, alpha: float, parameters: Mapping[str, float]
) -> Objective:
    """The named loss as an objective. With alpha 0 the teacher is not looked at, with 1 the labels
    are only where the term itself needs them."""
    term = LOSSES[name].term

    def objective(*, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        total = 0.0
        if alpha < 1:
            total += (1 - alpha) * formulas.cross_entropy(student=student, labels=labels)
        if alpha > 0:
            total += alpha * term(
                student=student,
                teacher=teacher,
                labels=labels,
                temperature=temperature,
                **parameters,
            )
        return total

    return objective


def hard_labels(*, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """The objective of a network that has no teacher."""
    return formulas.cross_entropy(student=student, labels=labels)
