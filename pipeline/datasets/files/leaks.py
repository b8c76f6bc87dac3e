"""The same bytes in two splits of sounds or arrays; pictures have an audit."""

from collections.abc import Iterator, Sequence

from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed, printable

NAMED = 5


def require_no_leaks(
    inventory: Inventory, rows: Sequence[int], splits: Sequence[Split | None], *, allowed: bool
) -> None:
    """Raise `InputError` where a sample is in two splits; `rows` are equal for equal bytes.

    Where splits are drawn by seed, copies are in one already.
    """
    found = [] if allowed else list(_leaks(inventory, rows, splits))
    if found:
        kind, pairs = inventory.kind, "pair" if len(found) == 1 else "pairs"
        raise InputError(
            f"{kind.place}: in two splits of {inventory.root}: {len(found):,} {pairs} of "
            f"{kind.many} of the same bytes: {listed(found, most=NAMED, separator='; ')}. Figures "
            f"on these {kind.many} would be too good: a model is trained, or chosen, on what it is "
            f"measured on. Remove one {kind.one} of each pair, or set dataset.allow_leaks = true "
            "to go on with them."
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
