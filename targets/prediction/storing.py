"""Files as the raw inputs of a model in one .npy, for a program that cannot read them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from targets.ahead import ahead
from targets.errors import UnreadableError
from targets.prediction.classifier import readers
from targets.prediction.preparation.contract import Preparation, Raw

OneItem = TypeVar("OneItem", Path, str)


def store(
    items: Sequence[OneItem],
    preparation: Preparation,
    to: Path,
    *,
    done: Callable[[], object] = lambda: None,
) -> list[tuple[OneItem, str]]:
    """Write `to`, the raw inputs [items, *shape]; a few items are in memory at a time.

    Returns the items that cannot be read, and why; `to` then has zeros for them. `done` is called
    after each item.
    """
    blank: Raw = preparation.blank
    unreadable = []
    with to.open("wb") as file:
        header = {
            "descr": blank.dtype.str,
            "fortran_order": False,
            "shape": (len(items), *blank.shape),
        }
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        for future, item in ahead(preparation, items, threads=readers()):
            try:
                raw = future.result()
            except UnreadableError as error:
                unreadable.append((item, str(error)))
                raw = np.zeros_like(blank)
            file.write(raw.tobytes())
            done()
    return unreadable
