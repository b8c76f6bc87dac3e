"""The accuracy of a file by class, on the whole test split: `targets.evaluation.confusion`."""

from typing import Self

from pipeline.reporting.schema.model_row import Part
from targets.evaluation.confusion import Counts, class_scores


class ClassRow(Part):
    """One class; null where there is nothing to divide by."""

    support: int
    """Test samples of the class."""
    recall: float | None
    precision: float | None
    f1: float | None


class PerClass(Part):
    model: str
    """Name of the file; its figures are those on the first device."""
    classes: tuple[ClassRow, ...]
    """A row per class, in the order of `dataset.classes`."""
    confusion: tuple[tuple[int, int, int], ...]
    """(label, predicted class, samples) as indices of classes, without the zeros."""

    @classmethod
    def of(cls, model: str, counts: Counts) -> Self:
        scores = class_scores(counts)
        columns = (column.tolist() for column in scores)
        return cls(
            model=model,
            classes=tuple(
                ClassRow(support=support, recall=_number(r), precision=_number(p), f1=_number(f1))
                for support, r, p, f1 in zip(*columns, strict=True)
            ),
            confusion=tuple(
                (label, found, int(counts[label, found]))
                for label, found in zip(*(axis.tolist() for axis in counts.nonzero()), strict=True)
            ),
        )


def _number(value: float) -> float | None:
    return None if value != value else round(value, 6)
