"""The verdicts of `pipeline check`, and of a run whose recipe has `[gates]`."""

from typing import Literal, Self

from pydantic import model_validator

from pipeline.recipe.gates import KINDS
from pipeline.reporting.schema.model_row import Interval, Part

VS_BASELINE = " vs baseline"
Verdict = Literal["passed", "failed", "undecided", "skipped"]


class GateRow(Part):
    name: str
    """A key of `[gates]`, or such a key with ` vs baseline`."""
    file: str
    """Name of the file in the table of models."""
    device: str | None
    """Null for a fact of the file."""
    limit: float | None = None
    """With `vs baseline`, the figure of the baseline; null where it has none."""
    at_least: bool = True
    """Whether the figure must be at least the limit; else at most."""
    value: float | None = None
    interval: Interval | None = None
    """Of 95 %; null for a fact."""
    change: float | None = None
    """With `vs baseline`: of a share the difference, of other figures the relative growth."""
    change_interval: Interval | None = None
    """Of 95 %; null for a size."""
    verdict: Verdict
    reason: str | None = None
    """Why it is skipped, undecided or failed, where the figures do not say so."""

    @property
    def gate(self) -> str:
        """The key of `[gates]`."""
        return self.name.removesuffix(VS_BASELINE)

    @property
    def vs_baseline(self) -> bool:
        return self.name.endswith(VS_BASELINE)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.gate not in KINDS:
            raise ValueError(f"no gate is called {self.gate!r}")
        return self
