"""Feature losses, off by default: they lower MobileNet students below training without a teacher.

CIFAR-100, MobileNetV2 from a VGG13 or ResNet50: 64.6 % alone, attention 59, FitNet 63-64, RKD 64.4.
They are here for students of the teacher's own family, and so that an ablation can show it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.losses import formulas
from pipeline.losses.objectives import Objective
from targets.errors import InputError

Keras = Any
Tensor = Any

HINTS = {"fitnet": 100.0, "attention": 1000.0, "rkd": 1.0}
"""Published weight of each beside the loss on logits; RKD's parts have 25 and 50 in themselves."""


@dataclass(frozen=True, kw_only=True)
class Hinted:
    """Both networks with the features that are compared: image -> [logits, *features]."""

    student: Keras
    teacher: Keras
    term: Callable[..., Tensor]
    """Called with the lists of features `student=` and `teacher=`."""


def hinted(name: str, *, student: Keras, teacher: Keras) -> Hinted:
    """Both networks, tapped for the named loss; the student's regressor is trained with it."""
    if name == "rkd":
        return Hinted(
            student=_tapped(student, [student.layers[-1].input]),
            teacher=_tapped(teacher, [teacher.layers[-1].input]),
            term=_rkd,
        )
    mine, taught = _maps(student), _maps(teacher)
    sizes = [size for size in mine if size in taught]
    if not sizes:
        raise InputError(
            f"distill.features: {name} compares feature maps of equal size, and student "
            f'({_show(mine)}) and teacher ({_show(taught)}) have none. Use features = "rkd".'
        )
    if name == "attention":
        return Hinted(
            student=_tapped(student, [mine[size] for size in sizes]),
            teacher=_tapped(teacher, [taught[size] for size in sizes]),
            term=_attention,
        )
    middle = sizes[len(sizes) // 2]
    hint = taught[middle]
    return Hinted(
        student=_tapped(student, [_regressed(mine[middle], hint.shape[-1])]),
        teacher=_tapped(teacher, [hint]),
        term=_fitnet,
    )


def with_features(objective: Objective, hint: Hinted, *, weight: float) -> Objective:
    """`objective` on the logits plus `weight` times the hint's term on the features."""

    def total(*, student: Any, teacher: Any, labels: Tensor) -> Tensor:
        (logits, *features), (taught, *hints) = student, teacher
        return objective(student=logits, teacher=taught, labels=labels) + weight * hint.term(
            student=features, teacher=hints
        )

    return total


def _fitnet(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    return formulas.squared_error(student=student[0], teacher=teacher[0])


def _attention(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    pairs = zip(student, teacher, strict=True)
    return sum(formulas.attention(student=mine, teacher=taught) for mine, taught in pairs)


def _rkd(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    distance, angle = formulas.relations(student=student[0], teacher=teacher[0])
    return 25 * distance + 50 * angle


def _tapped(model: Keras, features: list[Tensor]) -> Keras:
    from tf_keras import Model

    return Model(model.input, [model.output, *features], name=f"{model.name}_tapped")


def _maps(model: Keras) -> dict[tuple[int, int], Tensor]:
    """The last feature map of every size, largest first."""
    maps: dict[tuple[int, int], Tensor] = {}
    for layer in model.layers[1:]:
        shape = layer.output.shape
        if len(shape) == 4 and shape[1] > 1:
            maps[shape[1], shape[2]] = layer.output
    return maps


def _regressed(features: Tensor, channels: int) -> Tensor:
    from pipeline.models.layers import conv_bn, relu

    return relu(conv_bn(features, channels, 1, name="hint"), name="hint")


def _show(maps: Mapping[tuple[int, int], Tensor]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in maps)
