"""The same bytes in two splits."""

from collections.abc import Iterator, Sequence

from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed, printable

NAMED = 5


def require_no_leaks(
    inventory: Inventory, rows: Sequence[int], splits: Sequence[Split | None], *, allowed: bool
) -> None:
    """Raise `InputError` where a file is in two splits; `rows` are equal for equal bytes.

    Where splits are drawn by seed, copies are in one already.
    """
    found = [] if allowed else list(_leaks(inventory, rows, splits))
    if found:
        pairs = "pair" if len(found) == 1 else "pairs"
        raise InputError(
            f"data set sounds: in two splits of {inventory.root}: {len(found):,} {pairs} of files "
            f"of the same bytes: {listed(found, most=NAMED, separator='; ')}. Figures on these "
            "clips would be too good: a model is trained, or chosen, on what it is measured on. "
            "Remove one file of each pair, or set dataset.allow_leaks = true to go on with them."
        )


def _leaks(
    inventory: Inventory, rows: Sequence[int], splits: Sequence[Split | None]
) -> Iterator[str]:
    first: dict[int, tuple[str, Split]] = {}
    for entry, row, split in zip(inventory.entries, rows, splits, strict=True):
        if split is None:
            continue
        path, other = first.setdefault(row, (entry.path, split))
        if other is not split:
            yield f"{printable(path)} ({other}) = {printable(entry.path)} ({split})"
