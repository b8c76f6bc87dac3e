"""Corruptions of clips, int16 [n, samples].

`noise` has the signal-to-noise ratios of Aurora-2 (Hirsch and Pearce 2000, ISCA ASR2000), whose
noises are recordings; this one is white, and needs none. `shift` moves words up to 2.5 times as far
as the training of the reference for Speech Commands (Warden 2018, arXiv 1804.03209: a tenth of the
window). `gain` is the distance to the speaker, and `band` a worse microphone or line.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from targets.evaluation.corruptions.draws import Corrupt, Draws

Clips = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]

NOISE_DB = (20, 15, 10, 5, 0)
"""Signal-to-noise ratio of Gaussian noise, of root mean squares over the clip."""
GAIN_DB = (-6, -12, -18, -24, -30)
"""The distance doubles each time; what is left is rounded to int16."""
SHIFT = (0.05, 0.1, 0.15, 0.2, 0.25)
"""Share of the clip, earlier or later; zeros come in."""
BAND = (0.75, 0.6, 0.45, 0.3, 0.2)
"""Share of the frequencies that are left, from 0 on. At 16 kHz a telephone leaves 0.42."""


def noise(clips: Clips, level: int, draws: Draws) -> Floats:
    shape = clips.shape[1:]
    drawn = np.stack([random.standard_normal(shape, np.float32) for random in draws])
    # Summed in integers: a sum of floats depends on the width of SIMD.
    power = np.square(clips, dtype=np.int64).sum(axis=1, keepdims=True) / clips.shape[1]
    noisy: Floats = clips + drawn * np.sqrt(power * 10 ** (-NOISE_DB[level] / 10)).astype(
        np.float32
    )
    return noisy


def gain(clips: Clips, level: int, draws: Draws) -> Floats:
    quieter: Floats = clips * np.float32(10 ** (GAIN_DB[level] / 20))
    return quieter


def shift(clips: Clips, level: int, draws: Draws) -> Clips:
    length = clips.shape[1]
    distance = round(SHIFT[level] * length)
    later = np.array([bool(random.integers(2)) for random in draws])
    moved = np.zeros_like(clips)
    moved[later, distance:] = clips[later, : length - distance]
    moved[~later, : length - distance] = clips[~later, distance:]
    return moved


def band(clips: Clips, level: int, draws: Draws) -> Floats:
    """Without the frequencies above, of the whole clip as one period."""
    left = np.empty(clips.shape, np.float32)
    for index, clip in enumerate(clips):  # a spectrum is eight times as large as its clip
        spectrum = np.fft.rfft(clip)
        spectrum[round(BAND[level] * len(spectrum)) :] = 0
        left[index] = np.fft.irfft(spectrum, len(clip))
    return left


CORRUPTIONS: Mapping[str, Corrupt] = MappingProxyType(
    {"noise": noise, "gain": gain, "shift": shift, "band": band}
)
