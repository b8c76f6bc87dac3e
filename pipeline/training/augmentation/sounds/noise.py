"""Noise to mix into clips: white, pink and brown, the same in every run, and recordings."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.training.augmentation.draws import NOISE_STREAM, generator
from targets.sounds.windowing import Waveform

SECONDS = 8
"""Length of each colour."""
RMS = 3000.0
SLOPES = (0.0, 0.5, 1.0)
"""Of white, pink and brown noise: the amplitude falls with the frequency to this power."""
LOWEST_HZ = 20.0


@lru_cache(maxsize=2)
def coloured(rate: int) -> Waveform:
    """The three colours, one after the other, [3 * SECONDS * rate]."""
    return fresh(rate, generator(0, NOISE_STREAM, rate))


def fresh(rate: int, random: np.random.Generator) -> Waveform:
    """The same colours of other numbers."""
    return np.concatenate([_noise(slope, rate, random) for slope in SLOPES])


def _noise(slope: float, rate: int, random: np.random.Generator) -> Waveform:
    samples = SECONDS * rate
    spectrum = np.fft.rfft(random.standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / rate)
    shaped = np.fft.irfft(spectrum / np.maximum(hertz, LOWEST_HZ) ** slope, samples)
    scaled = np.rint(shaped * (RMS / np.sqrt(np.mean(shaped**2)))).clip(-32768, 32767)
    made: Waveform = scaled.astype(np.int16)
    return made


def part(bank: Waveform, place: float, samples: int) -> Waveform:
    """`samples` of the bank from `place` on, which is from 0 to 1; a short bank is repeated."""
    if len(bank) < samples:
        bank = np.resize(bank, samples)
    start = int(place * (len(bank) - samples + 1))
    return bank[start : start + samples]


def rms(clip: npt.NDArray[np.int16]) -> float:
    """Root mean square. Summed in integers: a sum of floats depends on the width of SIMD."""
    wide = clip.astype(np.int32)
    return float(np.sqrt(int(np.multiply(wide, wide).sum(dtype=np.int64)) / len(clip)))
