"""Views of images: shift, flip and cut-out by whole pixels; crop, rotation, colour and erasing."""

from pipeline.training.augmentation.contract import Mixing
from pipeline.training.augmentation.images.fit import require_fit
from pipeline.training.augmentation.images.settings import ImageViews
from pipeline.training.augmentation.images.table import ImageTable, training_view, view_table

__all__ = [
    "MIXED_BY",
    "ImageTable",
    "ImageViews",
    "Settings",
    "require_fit",
    "training_view",
    "view_table",
]

Settings = ImageViews
MIXED_BY: tuple[Mixing, ...] = ("mixup", "cutmix")
