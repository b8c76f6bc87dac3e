"""What is left of a folder must be a data set."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.datasets.folder.inventory import twins
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed


def require_enough(root: Path, counts: Mapping[Split, int]) -> None:
    """Each split has readable pictures."""
    empty = [split for split in Split if not counts.get(split)]
    if empty:
        raise InputError(
            f"data set folder: no picture in {root} that can be read is in the split "
            f"{', '.join(empty)}."
        )


def require_pictures(root: Path, counts: Mapping[str, int], least: int) -> None:
    """Each class, by name, has `least` pictures that can be spread over the splits."""
    few = [
        f"{name} ({count}{twins(name, counts)})" for name, count in counts.items() if count < least
    ]
    if few:
        raise InputError(
            f"data set folder: {root} cannot be split: each class needs {least} different pictures "
            f"at least, and there are fewer of {listed(few)}. Give more pictures of these classes, "
            "leave them out, or give the splits: folders named train, val and test, or a column."
        )
