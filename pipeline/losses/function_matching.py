"""Function matching: the KL divergence of `kd` alone, without labels, over a long schedule.

Source: Beyer et al. 2021, arXiv 2106.05237.
"""

from pipeline.losses.contract import LossSettings
from pipeline.losses.kd import loss

__all__ = ["PUBLISHED", "loss"]

PUBLISHED = LossSettings(temperature=4.0, alpha=1.0, label_free=True)
