"""From a sound of any rate and length to the samples of a model's input, the same everywhere."""

from math import gcd

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from targets.sounds.reading import Sound, Values

Waveform = npt.NDArray[np.int16]
"""[samples]"""

FULL_SCALE = 32768


class Windowing(BaseModel):
    """How a sound becomes the raw input of a model: its middle, at one rate, as 16-bit integers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: int = Field(ge=1000)
    """Samples per second."""
    samples: int = Field(ge=1)
    """Length of the window; of a shorter sound, zeros are on both sides."""

    def __call__(self, sound: Sound) -> Waveform:
        """[samples]"""
        return self.window(sound.values, sound.rate)

    def window(self, values: Values, rate: int) -> Waveform:
        """The same of values from -1 to 1 at `rate` samples per second."""
        return as_int16(centred(resampled(values, rate, self.rate), self.samples))


def resampled(values: Values, rate: int, to: int) -> Values:
    """At `to` samples per second, with a polyphase low-pass filter.

    Of what the new rate cannot hold, all beyond 1.2 times its highest frequency is 56 dB down, less
    than 8 bits resolve; what is between is folded into the uppermost fifth of the band, where
    speech has little.
    """
    if rate == to:
        return values
    from scipy.signal import resample_poly

    common = gcd(rate, to)
    made: Values = resample_poly(values, to // common, rate // common)
    return made


def centred(values: Values, samples: int) -> Values:
    """The middle of a longer sound, a shorter one between zeros."""
    more = samples - len(values)
    if more <= 0:
        start = (-more) // 2
        return values[start : start + samples]
    return np.pad(values, (more // 2, more - more // 2))


def as_int16(values: Values) -> Waveform:
    """Rounded to the nearest step; what is beyond full scale is clipped."""
    clipped: Values = np.clip(np.rint(values * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return clipped.astype(np.int16)


def hop_of(hop_s: float, rate: int) -> int:
    """The whole number of samples that is nearest to `hop_s` seconds, 1 at least."""
    return max(1, round(hop_s * rate))


def sliding(values: Waveform, samples: int, hop: int) -> npt.NDArray[np.int16]:
    """[windows, samples], of which one begins every `hop` samples; they overlap in memory."""
    return np.lib.stride_tricks.sliding_window_view(values, samples)[::hop]
