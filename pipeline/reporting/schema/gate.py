"""The verdicts of `pipeline check`, and of a run whose recipe has `[gates]`."""

from typing import Literal

from pipeline.reporting.schema.model_row import Interval, Part

Verdict = Literal["passed", "failed", "undecided", "skipped"]


class GateRow(Part):
    name: str
    """A key of `[gates]`, or such a key with ` vs baseline`."""
    file: str
    """Name of the file in the table of models."""
    device: str | None
    """Null for a fact of the file."""
    limit: float | None
    """With `vs baseline`, the figure of the baseline; null where it has none."""
    at_least: bool
    """Whether the figure must be at least the limit; else at most."""
    value: float | None
    interval: Interval | None
    """Of 95 %; null for a fact."""
    verdict: Verdict
    reason: str | None = None
    """Why it is skipped, undecided or failed, where the figures do not say so."""
