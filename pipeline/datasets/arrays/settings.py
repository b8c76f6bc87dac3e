"""The keys of `[dataset]` that arrays have."""

from typing import ClassVar, Literal

from pipeline.recipe.section import Section


class Settings(Section):
    DECIDES_NOTHING: ClassVar[frozenset[str]] = frozenset({"allow_leaks"})

    layout: Literal["series", "features"] = "series"
    """What [samples, values] are: `series`, one quantity over time; `features`, a quantity of its
    own in each column, each with its own mean and deviation."""
    allow_leaks: bool = False
    """Go on although the same values are in two splits."""
