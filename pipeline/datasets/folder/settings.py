"""The keys of `[dataset]` that a folder of pictures has."""

from typing import ClassVar, Literal

from pydantic import field_validator

from pipeline.datasets.contract import AuditedSettings
from pipeline.recipe.section import PositiveInt
from targets.images.preprocessing import Fit


class Settings(AuditedSettings):
    """Beside them, `size` is the side of the square input in pixels: null takes the pictures' own
    size if all are square, equal and of 64 pixels at most, and else 96."""

    DECIDES_NOTHING: ClassVar[frozenset[str]] = frozenset(
        {
            *("depth", "manifest", "path_column", "label_column", "split_column", "group_column"),
            *("merge_labels", "skip_bad", "allow_leaks", "verify"),
        }
    )

    fit: Fit = "crop"
    """How a picture becomes square: `crop` takes the centre, `pad` adds grey bars, `stretch`
    changes the aspect."""
    channels: Literal["auto", 1, 3] = "auto"
    """3 is RGB, 1 brightness; `auto` is 1 if every file is grey."""
    canvas: PositiveInt | None = None
    """Shorter side in pixels of the pictures that random crops are taken from; larger ones are
    scaled down to it. Null is 1.25 times `size`."""
    depth: int | None = None
    """Number of folders below the split that make the class; negative numbers count from the
    picture, so that -1 is the folder that it lies in. Null takes all folders."""

    @field_validator("depth")
    @classmethod
    def _has_folders(cls, depth: int | None) -> int | None:
        if depth == 0:
            raise ValueError("0 folders are no class; give 1, or -1 for the last one")
        return depth

    manifest: str | None = None
    """A .csv, .tsv or .parquet table of the pictures in place of class folders; null takes one that
    lies in the folder, if there are no class folders."""
    path_column: str | None = None
    """The column of paths, relative to the folder; a name without its extension is enough. Null, as
    for the next three, takes the column with a usual name."""
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    """Pictures of one group, as those of one series, come into the same split."""
    merge_labels: bool = False
    """Take labels that differ only by case, or by spaces, hyphens and underscores, as one class,
    under the most frequent of them."""
    skip_bad: bool = False
    """Leave out the files that cannot be read (`--skip-bad`)."""
    verify: bool = False
    """Read every file again, whatever its size and time say, and check the cache."""
