"""What a distillation loss and a feature loss are: a module each, with its source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from targets.untyped import KerasModel, Tensor


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    temperature: float
    alpha: float
    """Weight of the loss; that of the cross-entropy is 1 - alpha. Where a paper adds its loss to
    the cross-entropy with weight w, alpha is w / (1 + w): the same gradient up to the learning
    rate."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    label_free: bool = False
    """Whether the loss stands alone, without the cross-entropy: alpha is 1."""
    couples_batch: bool = False
    """Whether the loss compares the samples of a batch with each other, so that it is not the mean
    of the losses of the batch's parts."""


@runtime_checkable
class DistillationLoss(Protocol):
    """One module: `pipeline.losses.kd` is a short example."""

    PUBLISHED: LossSettings
    """Published settings: the defaults of a recipe that names the loss."""

    def loss(
        self, *, student: Tensor, teacher: Tensor, labels: Tensor, settings: LossSettings
    ) -> Tensor:
        """A scalar from logits [batch, classes] and class indices [batch].

        The teacher gets no gradient; logits of ±1e4 give finite losses and gradients.
        """


@dataclass(frozen=True, kw_only=True)
class FeaturePairs:
    """Symbolic tensors inside a student and a teacher that are compared one by one."""

    student: list[Tensor]
    teacher: list[Tensor]


@runtime_checkable
class FeatureLoss(Protocol):
    """One module: `pipeline.losses.features.rkd` is a short example."""

    WEIGHT: float
    """Published factor beside the loss on logits. A module with `COUPLES_BATCH = True` compares the
    samples of a batch with each other: see `LossSettings`."""

    def pairs(self, *, student: KerasModel, teacher: KerasModel) -> FeaturePairs:
        """The tensors to compare; layers added to the student are trained with it.

        Raises `InputError` where the networks have no features that fit.
        """

    def loss(self, *, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """A scalar from the values of `pairs` for one batch. The teacher gets no gradient."""
