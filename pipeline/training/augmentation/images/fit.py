"""Whether images can take the changes of a recipe."""

from pipeline.datasets.splits import Dataset
from pipeline.training.augmentation.images.settings import ImageViews
from targets.errors import InputError


def require_fit(
    cfg: ImageViews, data: Dataset, *, teacher: Dataset | None = None, table: str = "augmentation"
) -> None:
    """Raise `InputError` for a change that can remove a whole image, or that is in pixels where
    the teacher's images have another size.

    `table` is the one whose `cutout` is used, for the error.
    """
    height, width = data.input.shape[:2]
    seen = height if teacher is None else teacher.input.shape[0]
    for key, pixels, instead in _in_pixels(cfg, table):
        if pixels >= min(height, width):
            raise InputError(
                f"{key}: {pixels} pixels leave nothing of images of {height}x{width}. "
                f"Set it below {min(height, width)}."
            )
        if pixels and seen != height:
            raise InputError(
                f"{key}: {pixels} pixels are not the same part of an image of {height} pixels and "
                f"of the teacher's image of {seen} (teacher.size). Set it to 0 and use "
                f"{instead}, which is a share of the image at any size."
            )


def _in_pixels(cfg: ImageViews, table: str) -> tuple[tuple[str, int, str], ...]:
    """Key, value and alternative of the changes that are counted in pixels."""
    shift = cfg.shift if cfg.crop == 1 else 0  # a random crop replaces it
    return (
        ("augmentation.shift", shift, "augmentation.crop"),
        (f"{table}.cutout", cfg.cutout, "augmentation.erase"),
    )
