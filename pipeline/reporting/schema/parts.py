"""`report.json`, `parts`: the int8 files of sounds that are also there as two files."""

from pipeline.reporting.schema.model_row import LatencyNote, Part


class PartsRow(Part):
    """`targets.formats.record.TakenApart`, and the latencies of one device.

    The whole file and both parts are measured in the same rounds. What was not is null.
    """

    whole: str
    front_end: str
    front_end_bytes: int
    network: str
    network_bytes: int
    samples: int
    agreement: float
    max_steps: int
    device: str | None = None
    whole_ns: float | None = None
    """Medians."""
    front_end_ns: float | None = None
    network_ns: float | None = None
    latency_note: LatencyNote | None = None
    """Why another measurement may give another of the three."""
