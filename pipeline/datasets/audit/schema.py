"""`dataset.audit` of `report/1`: what is in a data set of pictures.

Counts are of readable pictures unless a field says otherwise. Lists of pairs hold the first ones
only, the fields beside them how many there are.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SPLITS = ("train", "val", "test", "unlabelled")
MEASURED = ("val", "test")


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Picture(Part):
    path: str
    """Relative to the data set's folder."""
    label: str | None
    split: str


class Pair(Part):
    """Two pictures that are one: of equal bytes (`exact`), or encoded or scaled again (`near`)."""

    kind: Literal["exact", "near"]
    first: Picture
    second: Picture


class Pairs(Part):
    """Pairs of copies. A file that is there n times makes n - 1 exact pairs, with its first."""

    exact: int = 0
    near: int = 0
    shown: tuple[Pair, ...] = ()

    @property
    def count(self) -> int:
        return self.exact + self.near


class Leaks(Pairs):
    """Pairs across splits of which at least one picture is in a split that is measured."""

    near_share: dict[str, float] = Field(default_factory=dict)
    """Measured split -> share of its pictures with a near copy in another split."""


class ClassCounts(Part):
    name: str
    train: int = 0
    val: int = 0
    test: int = 0
    sample: str | None = None
    """Path of its first picture, of the training split if it has any there."""

    def of(self, split: str) -> int:
        return int(getattr(self, split))


class Spread(Part):
    min: int
    median: int
    max: int


class Sizes(Part):
    width: Spread
    height: Spread
    used: int | None = None
    """Side in pixels of the images that are made of the pictures; null without `dataset.size`."""
    upscaled: int = 0
    """Pictures whose shorter side is below `used`."""


class Files(Part):
    """Kinds of files."""

    formats: dict[str, int]
    """Format by the contents -> pictures."""
    wrong_extension: int = 0
    wrong_extension_shown: tuple[tuple[str, str], ...] = ()
    """Path and format by the contents, of the first ones."""
    alpha: int = 0
    """Pictures with transparency, which is laid over white."""
    deep: int = 0
    """Pictures of 16 bits, whose values become value/257."""
    grey: int = 0


class Unreadable(Part):
    path: str
    reason: str


class Audit(Part):
    pictures: int
    splits: dict[str, int]
    """Split -> pictures; `unlabelled` are the pictures of the distillation without labels."""
    classes: tuple[ClassCounts, ...]
    imbalance: float | None = None
    """Training pictures of the largest class over those of the smallest that has any."""
    sizes: Sizes | None = None
    files: Files
    duplicates: Pairs = Pairs()
    """All copies, within and across splits."""
    conflicts: Pairs = Pairs()
    """Copies under two labels."""
    leaks: Leaks = Leaks()
    label_variants: tuple[tuple[str, ...], ...] = ()
    """Labels that differ only by case, or by spaces, hyphens and underscores."""
    missing: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Split -> classes without a picture in it, for splits that have pictures."""
    notes: tuple[str, ...] = ()
    """What the data set left out and decided."""
    unreadable: int = 0
    unreadable_shown: tuple[Unreadable, ...] = ()
