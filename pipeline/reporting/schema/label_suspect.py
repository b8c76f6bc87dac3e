"""A sample whose label the teacher contradicts."""

from pipeline.reporting.schema.sample import Sample


class LabelSuspect(Sample):
    predicted: str
    """The most probable other class, by the teacher."""
    label_probability: float
    predicted_probability: float
