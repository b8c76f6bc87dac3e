"""The keys of `[augmentation]` for sounds."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.recipe.section import Fraction
from pipeline.training.augmentation.contract import ViewSettings

NOISE_DB = (-20.0, 100.0)
TEMPO = (0.5, 2.0)
"""The ranges that the values may have."""


class SoundViews(ViewSettings):
    """Random changes of training clips; teacher and student get the same view of a clip."""

    shift_ms: Annotated[float, Field(ge=0)] = 100.0
    """Largest shift, in both directions; zeros come in."""
    gain_db: Annotated[float, Field(ge=0, le=40)] = 0.0
    """Largest change of the loudness, up and down."""
    noise: tuple[float, float] | None = None
    """Range of the signal-to-noise ratio in decibels, such as [5, 40]: background recordings of the
    data set, and white, pink and brown noise, are mixed in. Null is off."""
    noise_share: Fraction = 0.8
    """Share of the clips that get noise."""
    tempo: tuple[float, float] | None = None
    """Range of the speed, such as [0.8, 1.25], which also changes the pitch, as another voice does;
    null is off."""
    time_mask_ms: Annotated[float, Field(ge=0)] = 0.0
    """Longest gap of silence at a random place."""

    @classmethod
    def plain(cls) -> Self:
        return cls(shift_ms=0)

    def to_plain(self) -> tuple[str, ...]:
        return tuple(key for key in super().to_plain() if "noise_share" not in key)

    @model_validator(mode="after")
    def _ranges_are_in_order(self) -> Self:
        for key, (least, most) in (("noise", NOISE_DB), ("tempo", TEMPO)):
            value = getattr(self, key)
            if value is not None and not least <= value[0] <= value[1] <= most:
                raise ValueError(
                    f"{key}: {list(value)} is no range; give the smaller number first, both from "
                    f"{least:g} to {most:g}"
                )
        return self
