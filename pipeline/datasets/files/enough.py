"""What is left of a folder must be a data set."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.datasets.files.inventory import twins
from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed


def require_readable(root: Path, bad: Mapping[str, str], total: int, kind: FileKind) -> None:
    """No file cannot be used; `bad` is path -> reason, `total` the number of all files."""
    if bad:
        files = [f"{path} ({reason})" for path, reason in bad.items()]
        raise InputError(
            f"{kind.place}: {len(bad):,} of the {total:,} files in {root} cannot be used: "
            f"{listed(files, separator='; ')}. Replace or remove them, or go on without them: "
            "--skip-bad."
        )


def require_enough(root: Path, counts: Mapping[Split, int], kind: FileKind) -> None:
    """Each split has readable files."""
    empty = [split for split in Split if not counts.get(split)]
    if empty:
        raise InputError(
            f"{kind.place}: no {kind.one} in {root} that can be read is in the split "
            f"{', '.join(empty)}."
        )


def require_least(root: Path, counts: Mapping[str, int], least: int, kind: FileKind) -> None:
    """Each class, by name, has `least` files that can be spread over the splits."""
    few = [
        f"{name} ({count}{twins(name, counts)})" for name, count in counts.items() if count < least
    ]
    if few:
        raise InputError(
            f"{kind.place}: {root} cannot be split: each class needs {least} different {kind.many} "
            f"at least, and there are fewer of {listed(few)}. Give more {kind.many} of these "
            f"classes, leave them out, or give the splits: {kind.splits}."
        )
