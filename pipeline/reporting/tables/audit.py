"""The audit of a data set as lines for the console, before anything trains."""

from collections.abc import Iterator, Sequence

from pipeline.datasets.audit.schema import Audit, ClassCounts
from pipeline.reporting.findings import data
from pipeline.reporting.formatting import count
from pipeline.reporting.tables.cells import Table
from targets.errors import printable

FEW = 20
"""Classes of which each one has a row on the console."""


def lines(audit: Audit) -> Iterator[str]:
    splits = ", ".join(f"{count(n)} {name}" for name, n in audit.splits.items() if n)
    yield f"data      {count(audit.pictures)} pictures ({splits}), {len(audit.classes)} classes"
    if len(audit.classes) <= FEW:
        yield from _aligned(*classes(audit.classes))
    else:
        yield f"          {_ends(audit.classes)}"
    yield from (f"          {fact}" for fact in data.facts(audit))
    yield from (f"data      warning: {warning}" for warning in data.warnings(audit))


def classes(rows: Sequence[ClassCounts]) -> Table:
    """Pictures by class and split."""
    cells = [[printable(row.name), *map(count, (row.train, row.val, row.test))] for row in rows]
    return ["class", "train", "val", "test"], cells


def _ends(rows: Sequence[ClassCounts]) -> str:
    ordered = sorted(rows, key=lambda row: row.train)
    least, most = ordered[0], ordered[-1]
    return (
        f"training pictures by class: {count(least.train)} ({printable(least.name)}) to "
        f"{count(most.train)} ({printable(most.name)})"
    )


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        name, *numbers = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"          {'  '.join([name, *numbers])}"
