"""The dimensions of a search that a recipe does not give, by the kind of its data.

Widths and depths are around the published ones; the losses are those that need no second teacher
pass. Each dimension is a key of the recipe, so that what a search has found is a recipe.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import JsonValue

from pipeline.models import STUDENTS
from pipeline.models.contract import why_no_int8
from pipeline.models.form import PUBLISHED_FROM
from pipeline.recipe.schema import Recipe
from pipeline.recipe.search import Dimension
from targets.formats.input_spec import Kind


def _of(*choices: JsonValue) -> Dimension:
    return Dimension.model_validate(list(choices))


BOTH = {
    "convert.precisions": _of(["float32"], ["int8"]),
    "distill.loss": _of("kd", "dkd"),
    "distill.temperature": _of(2.0, 4.0, 8.0),
}
SMALL_IMAGES: Mapping[str, Dimension] = MappingProxyType(
    {
        "distill.family": _of("mobilenet_v1", "mobilenet_v2", "fused", "resnet"),
        "distill.width_multiplier": _of(0.25, 0.375, 0.5, 0.75, 1.0, 1.5),
        "distill.blocks": _of(1, 2),
        **BOTH,
    }
)
"""Below `PUBLISHED_FROM` pixels; the size stays: images are seldom larger than they need be."""
PHOTOS: Mapping[str, Dimension] = MappingProxyType(
    {
        "distill.family": _of("mobilenet_v1", "mobilenet_v2", "mobilenet_v4", "efficientnet_lite0"),
        "distill.width_multiplier": _of(0.25, 0.35, 0.5, 0.75, 1.0),
        "distill.depth": _of(
            [1, 2, 2, 6, 2],
            [1, 1, 1, 3, 1],
            [1, 2, 3, 4, 3, 3, 1],
            [1, 1, 2, 2, 2, 2, 1],
            [1, 2, 2, 3, 3, 4, 1],
        ),
        "dataset.size": _of(96, 128, 160),
        **BOTH,
    }
)
EITHER: Mapping[str, Dimension] = MappingProxyType({"bench.threads": _of(1, 2, 4)})
"""On request: what a device has beside the model decides how many it can give."""


def defaults(recipe: Recipe) -> Mapping[str, Dimension]:
    """By key; the family's own keys are tried with the families that have them."""
    if recipe.augmentation.kind != "image":
        return _of_kind(recipe.augmentation.kind)
    size = recipe.dataset.size
    photos = size is not None and size >= PUBLISHED_FROM
    return PHOTOS if photos else SMALL_IMAGES


def on_request(recipe: Recipe) -> Mapping[str, Dimension]:
    """The dimensions that `"default"` can name."""
    more = PHOTOS if recipe.augmentation.kind == "image" else {}
    return {**more, **defaults(recipe), **EITHER}


def _of_kind(kind: Kind) -> Mapping[str, Dimension]:
    """The built-in families that take the kind and have the precisions of `BOTH`, with the keys of
    small images that they have."""
    families = {
        name: family
        for name, family in zip(STUDENTS, STUDENTS.values(), strict=True)
        if kind in family.TAKES and not why_no_int8(family)
    }
    own = {key for family in families.values() for key in family.Settings.model_fields}
    small = {key: one for key, one in SMALL_IMAGES.items() if key.removeprefix("distill.") in own}
    return {"distill.family": _of(*families), **small, **BOTH}
