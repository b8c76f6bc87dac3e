"""Mean squared error of logits, mean (z_s/T - z_t/T)²: Kim et al. 2021, arXiv 2105.08919."""

from pipeline.losses.contract import LossSettings
from pipeline.losses.formulas import squared_error
from targets.untyped import Tensor

PUBLISHED = LossSettings(temperature=1.0, alpha=0.9)


def loss(*, student: Tensor, teacher: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    return squared_error(
        student=student / settings.temperature, teacher=teacher / settings.temperature
    )
