"""Accuracy beside that of always naming the most frequent class."""

from pipeline.reporting.formatting import percent
from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import Report


def above(row: ModelRow, majority_share: float | None) -> bool:
    """Whether the accuracy is shown to be above `majority_share`, or cannot be compared with it."""
    if majority_share is None or row.top1_ci is None:
        return True
    return row.top1_ci[0] > majority_share


def majority(share: float) -> str:
    return f"naming the most frequent class, which gives {percent(share)} %"


def chance(report: Report) -> str | None:
    """The accuracy of naming the most frequent class; a mark explains the files not above it."""
    share = report.dataset.majority_share
    if share is None:
        return None
    sentence = f"Naming the most frequent class gives {percent(share)} %."
    if all(above(row, share) for row in report.models):
        return sentence
    return f"{sentence} * is not shown to be above it."
