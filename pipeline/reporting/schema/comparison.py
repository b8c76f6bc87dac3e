"""A file in two runs; fields without `other` are those of the first."""

from pipeline.reporting.schema.model_row import Interval, Part


class Compared(Part):
    file: str
    device: str | None
    top1: float | None
    other_top1: float | None
    gain: float | None
    """Top-1 of the other run less that of the first, on the same test samples; null on others."""
    gain_interval: Interval | None
    p_value: float | None
    """Two-sided p-value of no difference, by McNemar's test."""
    lost: int | None
    """Samples that the first run has right and the other wrong; `won` the reverse."""
    won: int | None
    median_ns: float | None
    other_median_ns: float | None
    time_ratio: float | None
    """The other run's time over the first one's: mean of the logarithms over processes; null where
    one is not reliable."""
    time_ratio_interval: Interval | None
    size_bytes: int
    other_size_bytes: int
