"""The keys of `[augmentation]` for texts."""

from typing import Annotated, Self

from pydantic import Field

from pipeline.training.augmentation.contract import ViewSettings


class TextViews(ViewSettings):
    """Random changes of training texts; teacher and student get the same view of a text. A text
    keeps one known word at least."""

    drop: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the tokens that become unknown ones, as rare words of a user are."""
    delete: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the tokens that are left out; those behind them move up."""
    mask_span: Annotated[int, Field(ge=0)] = 0
    """Most tokens in a row that become unknown ones, from a random place on; 0 is off."""

    @classmethod
    def plain(cls) -> Self:
        return cls(drop=0, delete=0)
