"""The keys of `[augmentation]` for images."""

from typing import Annotated, Self

from pydantic import Field

from pipeline.training.augmentation.contract import ViewSettings


class ImageViews(ViewSettings):
    """Random changes of training images; teacher and student get the same view of an image."""

    shift: Annotated[int, Field(ge=0)] = 2
    """Random crop after padding, in pixels in each direction."""
    flip: bool = False
    """Random mirroring left to right: not where a mirrored image has another label (digits)."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side of a grey square at a random place, in pixels; hurts runs of fewer than 15 epochs."""
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Smallest share of the picture's area that a random crop keeps, in place of `shift`; 1 is off.
    The crop is scaled to the size of each network."""
    rotation: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Largest random rotation, in degrees in both directions."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest random change, as a share; so are the next two."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    saturation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    erase: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest share of the area that a random grey rectangle covers; half of the images get one."""

    @classmethod
    def plain(cls) -> Self:
        return cls(shift=0)
