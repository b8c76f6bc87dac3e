"""Which files have their figures by class in a report, and what they confuse."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.reporting.schema.model_row import ModelRow, small_files
from pipeline.reporting.schema.per_class import PerClass
from pipeline.reporting.schema.report import Recommended


class Confused(NamedTuple):
    """Test samples of one class that get another one."""

    label: str
    found: str
    samples: int
    share: float
    """Of the samples of the class."""


def kept(
    every: Sequence[PerClass], rows: Sequence[ModelRow], recommended: Sequence[Recommended]
) -> tuple[PerClass, ...]:
    """Those of the files that are recommended or small (first), the float student, the teacher."""
    named = [one.smallest for one in recommended] + [one.fastest for one in recommended]
    students = [row for row in rows if not row.is_teacher]
    choices = [
        [row for row in students if row.name in named],
        small_files(rows),
        [row for row in students if row.precision == "float32"],
        [row for row in rows if row.is_teacher],
    ]
    names = dict.fromkeys(choice[0].name for choice in choices if choice)
    held = {one.model: one for one in every}
    return tuple(held[name] for name in names if name in held)


def most_confused(one: PerClass, classes: Sequence[str], *, count: int) -> list[Confused]:
    """The pairs of classes with the most samples in them."""
    wrong = [(label, found, n) for label, found, n in one.confusion if label != found]
    return [
        Confused(classes[label], classes[found], n, n / one.classes[label].support)
        for label, found, n in sorted(wrong, key=lambda row: -row[2])[:count]
    ]
