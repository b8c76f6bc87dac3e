"""A sample that the report names, with its file where it has one."""

from typing import Literal

from pipeline.reporting.schema.model_row import Part


class Sample(Part):
    split: Literal["train", "test"]
    index: int
    """Place of the sample in its split."""
    path: str | None = None
    """Relative to the data set's folder; null where the sample is no file."""
    label: str
