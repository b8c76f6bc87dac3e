"""`report.json`, `streaming`: the words that the student's files detect in a long sound."""

from pipeline.reporting.schema.model_row import Interval, Part
from targets.formats.streaming import StreamSummary


class StreamingRow(Part):
    """One file, run on this machine."""

    model: str
    threshold: float | None
    """Least mean probability of a detection; null where none kept the limit on the stream that it
    is chosen on: the file is then judged as one that detects nothing."""
    missed: int
    """Words without a detection."""
    false_reject_rate: float
    """Their share of all words."""
    false_reject_ci: Interval
    """Wilson's of 95 %."""
    false_accepts: int
    """Detections of no word, or of another one."""
    false_accepts_per_hour: float
    false_accepts_ci: Interval
    """The exact one of 95 % for counts of Poisson, per hour."""
    curve: tuple[tuple[float, float, float], ...]
    """(threshold, false accepts per hour, share of missed words), by rising threshold."""


class Streaming(Part):
    hop_s: float
    """Seconds from one window to the next."""
    window_s: float
    smoothed_over: int
    """Windows whose mean decides."""
    pause_s: float
    """No detection follows another one sooner."""
    false_accepts_per_hour: float
    """The limit that thresholds are chosen for."""
    chosen_on: StreamSummary
    judged_on: StreamSummary
    same: bool
    """Whether the thresholds were chosen on the stream that they are judged on."""
    files: tuple[StreamingRow, ...]
