"""How words are found in a long sound: a part of the sidecar of a file that takes sounds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]


class StreamSummary(BaseModel):
    """A long sound whose words are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    made: Literal["recorded", "synthesised"]
    source: str
    """Name of the recording, or the split whose clips it is synthesised of."""
    seconds: Positive
    words: Annotated[int, Field(ge=1)]
    """To be detected."""
    others: Annotated[int, Field(ge=0)] = 0
    """Clips of `_unknown_`: a detection in one of them is a false accept."""
    background: str | None = None
    """What is between synthesised words, in words."""
    snr_db: float | None = None
    """Of a synthesised word to that: of the root mean squares of a whole clip and of all
    background."""

    @property
    def hours(self) -> float:
        return self.seconds / 3600


class WordThreshold(BaseModel):
    """A detection is where the mean probability of a word over the latest windows reaches the
    threshold: `targets.evaluation.streaming`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold: Annotated[float, Field(ge=0, le=1)] | None
    """Null: none keeps `false_accepts_per_hour`."""
    hop_s: Positive
    """Seconds from one window to the next."""
    smoothed_over: Annotated[int, Field(ge=1)]
    """Windows whose mean decides."""
    pause_s: Annotated[float, Field(ge=0)]
    """No detection follows another one sooner."""
    false_accepts_per_hour: Positive
    """The limit that the threshold was chosen for, with the fewest missed words."""
    chosen_on: StreamSummary
