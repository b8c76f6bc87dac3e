"""A sample whose label the teacher contradicts."""

from typing import Literal

from pipeline.reporting.schema.model_row import Part


class LabelSuspect(Part):
    split: Literal["train", "test"]
    index: int
    """Place of the sample in its split."""
    path: str | None = None
    """Relative to the data set's folder; null where the data are no picture files."""
    label: str
    predicted: str
    """The most probable other class, by the teacher."""
    label_probability: float
    predicted_probability: float
