"""The page of `pipeline report RUN OTHER --html FILE`."""

from collections.abc import Sequence

from pipeline.reporting.pages import templates
from pipeline.reporting.schema.comparison import Compared
from pipeline.reporting.tables.comparison import comparison, words


def render(rows: Sequence[Compared], *, first: str, second: str) -> str:
    """`first` and `second`: what a person calls the two runs."""
    header, cells = comparison(rows)
    return templates.render(
        "comparison.html.j2",
        first=first,
        second=second,
        shown=[f"{row.file}{_where(row)}: {words(row)}." for row in rows],
        header=header,
        rows=cells,
    )


def _where(row: Compared) -> str:
    return f" on {row.device}" if row.device else ""
