"""Cells of a table by the names of their columns, and a table on the terminal."""

from collections.abc import Collection, Sequence

from pipeline.reporting.formatting import NOT_MEASURED

Cells = dict[str, str]
Table = tuple[list[str], list[list[str]]]
"""Header and rows."""
WIDEST = 2000
"""Characters of a printed row, whatever the terminal's width."""


def tabulate(rows: Sequence[Cells], *, optional: Collection[str] | None = None) -> Table:
    """Return the table without the optional columns (default: all) that no row has a value for."""
    header = [
        name
        for name in (rows[0] if rows else ())
        if (optional is not None and name not in optional)
        or any(cells[name] != NOT_MEASURED for cells in rows)
    ]
    return header, [[cells[name] for name in header] for cells in rows]


def print_rows(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, words: int = 0
) -> None:
    """Print to stdout, the first `left` and the last `words` columns left-aligned; bars, colours on
    a terminal only."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(header):
        is_text = index < left or index >= len(header) - words
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Wide enough for every column: a terminal folds long lines, which loses nothing; rich cuts.
    Console(highlight=False, markup=False, width=WIDEST).print(table)
