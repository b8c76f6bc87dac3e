"""The keys of `[dataset]` that every data set of files has."""

from typing import ClassVar

from pydantic import field_validator

from pipeline.datasets.contract import AuditedSettings


class FileSettings(AuditedSettings):
    DECIDES_NOTHING: ClassVar[frozenset[str]] = frozenset(
        {
            *("depth", "manifest", "path_column", "label_column", "split_column", "group_column"),
            *("merge_labels", "skip_bad", "allow_leaks", "verify"),
        }
    )

    depth: int | None = None
    """Number of folders below the split that make the class; negative numbers count from the file,
    so that -1 is the folder that it lies in. Null takes all folders."""

    @field_validator("depth")
    @classmethod
    def _has_folders(cls, depth: int | None) -> int | None:
        if depth == 0:
            raise ValueError("0 folders are no class; give 1, or -1 for the last one")
        return depth

    manifest: str | None = None
    """A .csv, .tsv or .parquet table of the files in place of class folders; null takes one that
    lies in the folder, if there are no class folders."""
    path_column: str | None = None
    """The column of paths, relative to the folder; a name without its extension is enough. Null, as
    for the next three, takes the column with a usual name."""
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    """Files of one group, as those of one series or one speaker, come into the same split."""
    merge_labels: bool = False
    """Take labels that differ only by case, or by spaces, hyphens and underscores, as one class,
    under the most frequent of them."""
    skip_bad: bool = False
    """Leave out the files that cannot be read (`--skip-bad`)."""
    verify: bool = False
    """Read every file again, whatever its size and time say, and check the cache."""
