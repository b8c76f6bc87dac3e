"""Views of texts: tokens that become unknown, alone or in a row, or that are left out."""

from pipeline.datasets.splits import Dataset
from pipeline.training.augmentation.contract import Mixing
from pipeline.training.augmentation.texts.settings import TextViews
from pipeline.training.augmentation.texts.table import TextTable, training_view
from targets.errors import InputError

__all__ = ["MIXED_BY", "Settings", "TextTable", "TextViews", "require_fit", "training_view"]

Settings = TextViews
MIXED_BY: tuple[Mixing, ...] = ()
"""The mean of the numbers of two words is that of a third one."""


def require_fit(
    cfg: TextViews, data: Dataset, *, teacher: Dataset | None = None, table: str = "augmentation"
) -> None:
    """Raise `InputError` for a span that covers every text."""
    length = data.input.shape[0]
    if cfg.mask_span >= length - 1:
        raise InputError(
            f"{table}.mask_span: {cfg.mask_span} tokens leave nothing of texts of {length} tokens. "
            f"Set it below {length - 1}."
        )
