"""The page of `pipeline report RUN OTHER --html FILE`."""

from collections.abc import Sequence

from pipeline.reporting.pages import templates
from pipeline.reporting.schema.comparison import Compared
from pipeline.reporting.tables.comparison import NOTHING, comparison, words


def render(rows: Sequence[Compared], *, first: str, second: str) -> str:
    """`first` and `second`: what a person calls the two runs."""
    header, cells = comparison(rows)
    return templates.render(
        "comparison.html.j2",
        first=first,
        second=second,
        shown=_shown(rows),
        header=header,
        rows=cells,
    )


def _shown(rows: Sequence[Compared]) -> dict[str, str]:
    """What the measurements show -> the files: first the differences."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(words(row), []).append(f"{row.file}{_where(row)}")
    alike = sorted(found, key=lambda one: one in NOTHING)
    return {one[:1].upper() + one[1:]: ", ".join(found[one]) for one in alike}


def _where(row: Compared) -> str:
    return f" on {row.device}" if row.device else ""
