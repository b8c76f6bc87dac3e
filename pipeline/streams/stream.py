"""A long sound whose words are known."""

from dataclasses import dataclass

from targets.evaluation.streaming import Spoken
from targets.formats.streaming import StreamSummary
from targets.sounds.windowing import Waveform


@dataclass(frozen=True, kw_only=True)
class Stream:
    values: Waveform
    """[samples], at the rate of the model."""
    spoken: tuple[Spoken, ...]
    about: StreamSummary
