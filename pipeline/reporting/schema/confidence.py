"""`report.json`, `confidence`: what the probabilities of a file are worth on the test split."""

from pipeline.reporting.schema.model_row import Interval, Part


class ReliabilityBin(Part):
    """Samples whose confidence is in one of 15 equal parts of 0 to 1; empty parts are left out."""

    samples: int
    confidence: float
    """Mean confidence: the largest probability of each sample."""
    accuracy: float


class Calibration(Part):
    """Probabilities against labels."""

    ece: float
    """Expected calibration error."""
    nll: float
    """Negative log-likelihood in nats per sample."""
    reliability: tuple[ReliabilityBin, ...]


class Selection(Part):
    """The predictions that are not `unknown`; intervals are Wilson's of 95 %."""

    accepted: int
    coverage: float
    """Their share of all."""
    coverage_ci: Interval
    precision: float | None
    """The share of right ones among them; null where there is none."""
    precision_ci: Interval | None


class ConfidenceRow(Part):
    """One file on the first device that was measured; shares are from 0 to 1."""

    model: str
    device: str
    samples: int
    temperature: float
    temperature_note: str | None
    """Why the temperature is 1 and not fitted; null: it is fitted."""
    before: Calibration
    """Of softmax(logits)."""
    after: Calibration
    """Of softmax(logits / temperature)."""
    precision: float
    """The wanted one."""
    level: float
    """The probability of the promise, over the choice of the validation samples."""
    threshold: float | None
    class_thresholds: tuple[float | None, ...] = ()
    """In the order of the classes."""
    validation_samples: int
    selection: Selection | None
    """What the thresholds do; null where no threshold keeps the wanted precision."""
    aurc: float
    """Area under the curve."""
    curve: tuple[tuple[float, float], ...]
    """(coverage, share of wrong ones) of the most confident predictions, by rising coverage."""
