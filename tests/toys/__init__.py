"""Plug-ins of one module each, one for every axis of `pipeline`, all named `toy`; `lines` and
`tokens` are data sets that have no images."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.datasets import DATASETS
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models import STUDENTS
from pipeline.teachers import TEACHER_FILES
from tests.toys import dataset, feature_loss, lines, loss, student, teacher_file, tokens


@contextmanager
def plugged_in() -> Iterator[None]:
    """Offer the toys inside the block, as installed distributions would."""
    with ExitStack() as stack:
        stack.enter_context(STUDENTS.added("toy", student))
        stack.enter_context(LOSSES.added("toy", loss))
        stack.enter_context(FEATURE_LOSSES.added("toy", feature_loss))
        stack.enter_context(DATASETS.added("toy", dataset))
        stack.enter_context(DATASETS.added("lines", lines))
        stack.enter_context(DATASETS.added("tokens", tokens))
        stack.enter_context(TEACHER_FILES.added("toy", teacher_file))
        yield
