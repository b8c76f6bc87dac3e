"""Views: random changes of training images as a pure function of a seeded table."""

from pipeline.training.augmentation.fit import require_fit, teacher_augmentation
from pipeline.training.augmentation.mixing import Mix, cutmix, draw_mix, mixup
from pipeline.training.augmentation.order import balanced_order, epoch_order
from pipeline.training.augmentation.table import Each, ViewTable, training_view, view_table

__all__ = [
    "Each",
    "Mix",
    "ViewTable",
    "balanced_order",
    "cutmix",
    "draw_mix",
    "epoch_order",
    "mixup",
    "require_fit",
    "teacher_augmentation",
    "training_view",
    "view_table",
]
