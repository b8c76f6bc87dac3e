"""Files that are no pictures: an error that lists them, or left out with `dataset.skip_bad`."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.datasets.folder.inventory import SHOWN, shown
from pipeline.datasets.splits import Split
from targets.errors import InputError


def require_readable(root: Path, bad: Mapping[str, str], total: int) -> None:
    """`bad` is path -> reason."""
    if not bad:
        return
    lines = [f"{shown(path)} ({reason})" for path, reason in list(bad.items())[:SHOWN]]
    more = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
    raise InputError(
        f"data set folder: {len(bad):,} of the {total:,} files in {root} cannot be used: "
        f"{'; '.join(lines)}{more}. Replace or remove them, or go on without them: --skip-bad."
    )


def require_enough(root: Path, counts: Mapping[Split, int]) -> None:
    """Each split has readable pictures."""
    empty = [split for split in Split if not counts.get(split)]
    if empty:
        raise InputError(
            f"data set folder: no picture in {root} that can be read is in the split "
            f"{', '.join(empty)}."
        )
