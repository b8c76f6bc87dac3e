"""Which augmentation a recipe uses, and whether its images can take it."""

from pipeline.datasets.splits import Dataset
from pipeline.recipe.schema import Recipe
from pipeline.recipe.training import AugmentationConfig
from targets.errors import InputError


def teacher_augmentation(recipe: Recipe) -> AugmentationConfig:
    """What the teacher is trained on; a teacher's file is not trained."""
    own = recipe.teacher.file is None and recipe.teacher.cutout is not None
    return recipe.augmentation.model_copy(update={"cutout": recipe.teacher.cutout} if own else {})


def require_fit(
    cfg: AugmentationConfig,
    data: Dataset,
    *,
    cutout: str = "augmentation.cutout",
    teacher_size: int | None = None,
) -> None:
    """Raise `InputError` for an augmentation that can remove a whole image, or that is in pixels
    where the teacher's images have another size.

    `cutout` is the recipe key of `cfg.cutout`, for the error.
    """
    height, width = data.input.shape[:2]
    for key, pixels, instead in _in_pixels(cfg, cutout):
        if pixels >= min(height, width):
            raise InputError(
                f"{key}: {pixels} pixels leave nothing of images of {height}x{width}. "
                f"Set it below {min(height, width)}."
            )
        if pixels and teacher_size not in (None, height):
            raise InputError(
                f"{key}: {pixels} pixels are not the same part of an image of {height} pixels and "
                f"of the teacher's image of {teacher_size} (teacher.size). Set it to 0 and use "
                f"{instead}, which is a share of the image at any size."
            )


def _in_pixels(cfg: AugmentationConfig, cutout: str) -> tuple[tuple[str, int, str], ...]:
    """Key, value and alternative of the changes that are counted in pixels."""
    shift = cfg.shift if cfg.crop == 1 else 0  # a random crop replaces it
    return (
        ("augmentation.shift", shift, "augmentation.crop"),
        (cutout, cfg.cutout, "augmentation.erase"),
    )
