"""Which file's confidence a page draws, and what its figures say in words."""

from collections.abc import Iterator

from pipeline.reporting.formatting import count, percent, span
from pipeline.reporting.schema.confidence import ConfidenceRow
from pipeline.reporting.schema.model_row import small_files
from pipeline.reporting.schema.report import Report


def drawn(report: Report) -> ConfidenceRow | None:
    """The row of a recommended file, else of a small one, else the last."""
    named = [name for one in report.recommended for name in (one.smallest, one.fastest)]
    small = [row.name for row in small_files(report.models)]
    rows = {row.model: row for row in report.confidence}
    found = next((name for name in (*named, *small) if name in rows), None)
    return rows[found] if found else next(reversed(report.confidence), None)


def sentences(row: ConfidenceRow) -> Iterator[str]:
    samples = count(row.validation_samples)
    if row.temperature_note is not None:
        yield f"The temperature is 1 and not fitted: {row.temperature_note}."
    else:
        yield (
            f"The temperature {row.temperature:.3f}, fitted on {samples} validation samples, "
            f"changes the calibration error on the test split from {percent(row.before.ece)} to "
            f"{percent(row.after.ece)} %."
        )
    wanted = f"{100 * row.precision:g} %"
    if row.selection is None:
        yield (
            f"No threshold promises a precision of {wanted}: too few of the {samples} validation "
            "samples are right, or there are too few of them."
        )
        return
    chosen = row.selection
    reached = f"{percent(chosen.precision)} % ({span(chosen.precision_ci, percent)})"
    yield (
        f"For a precision of {wanted} it answers {percent(chosen.coverage)} % of the test samples "
        f"({span(chosen.coverage_ci, percent)})"
        + (f", and {reached} of them are right." if chosen.accepted else ".")
    )
