"""Knowledge distillation: T² KL(softmax(z_t/T) || softmax(z_s/T)), beside cross-entropy.

Source: Hinton et al. 2015, arXiv 1503.02531, section 2.
"""

from pipeline.losses.contract import LossSettings
from pipeline.losses.formulas import kl_divergence
from targets.untyped import Tensor

PUBLISHED = LossSettings(temperature=4.0, alpha=0.9)


def loss(*, student: Tensor, teacher: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    return kl_divergence(student=student, teacher=teacher, temperature=settings.temperature)
