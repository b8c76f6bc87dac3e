"""Whether a file of the run may be shipped on a device, and why."""

from pipeline.reporting.schema.model_row import Part


class Decision(Part):
    device: str | None
    """Null where the run has no bench."""
    ship: bool
    file: str | None
    """Name of the file to ship: one that is recommended on the device; null without one."""
    reason: str
    """A clause for a person."""

    @property
    def verdict(self) -> str:
        where = f" on {self.device}" if self.device else ""
        return f"Ship {self.file}{where}" if self.ship else f"Do not ship{where}"
