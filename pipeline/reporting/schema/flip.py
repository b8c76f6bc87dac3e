"""A test sample that one network has right and the network made from it wrong, or the reverse."""

from pipeline.reporting.schema.model_row import Part
from pipeline.reporting.schema.sample import Sample


class Prediction(Part):
    """The class that a file gives a sample."""

    model: str
    predicted: str
    confidence: float | None
    """Its largest probability; null for a single score."""


class Flip(Sample):
    before: Prediction
    after: Prediction

    @property
    def lost(self) -> bool:
        return self.before.predicted == self.label
