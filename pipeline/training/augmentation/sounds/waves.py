"""The view of one clip: pure functions of the clip and of random numbers from 0 to 1."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.training.augmentation.sounds.noise import part, rms
from pipeline.training.augmentation.sounds.settings import SoundViews
from targets.sounds.windowing import Waveform

Floats = npt.NDArray[np.float32]


class Draw(NamedTuple):
    """The random numbers of one view of one clip, each uniform in (0, 1).

    All are drawn whatever the recipe uses, so that one of its keys does not change another's part.
    """

    shift: float
    tempo: float
    gain: float
    noisy: float
    ratio: float
    place: float
    gap: float
    gap_place: float


def changed(
    clip: Waveform, draw: Draw, cfg: SoundViews, *, rate: int, banks: tuple[Waveform, ...]
) -> Waveform:
    """The view of a clip [samples]; `banks` are what noise is taken from, each equally often."""
    shift = (2 * draw.shift - 1) * cfg.shift_ms / 1000 * rate
    view: Waveform | Floats
    if cfg.tempo is None:
        view = shifted(clip, round(shift))
    else:
        view = stretched(clip, shift=shift, tempo=_between(cfg.tempo, draw.tempo))
    if cfg.noise is not None and draw.noisy < cfg.noise_share:
        noise, place = _chosen(banks, draw.place)
        ratio_db = _between(cfg.noise, draw.ratio)
        view = with_noise(view, part(noise, place, len(clip)), ratio_db, level=rms(clip))
    if cfg.gain_db:
        view = view * np.float32(_times((2 * draw.gain - 1) * cfg.gain_db))
    return silenced(_rounded(view), draw, round(cfg.time_mask_ms / 1000 * rate))


def _rounded(view: Waveform | Floats) -> Waveform:
    made: Waveform = np.rint(view).clip(-32768, 32767).astype(np.int16)
    return made


def shifted(clip: Waveform, by: int) -> Waveform:
    """`by` samples later; zeros come in."""
    if by == 0:
        return clip
    made = np.zeros_like(clip)
    if by > 0:
        made[by:] = clip[:-by]
    else:
        made[:by] = clip[-by:]
    return made


def stretched(clip: Waveform, *, shift: float, tempo: float) -> Floats:
    """`tempo` times as fast around its middle, then `shift` samples later; zeros come in.

    Between two samples the value is on the line through them.
    """
    middle = (len(clip) - 1) / 2
    places = (np.arange(len(clip)) - (middle + shift)) * tempo + middle
    inside = slice(*np.searchsorted(places, (0, len(clip) - 1)))
    before = places[inside].astype(np.int32)
    share = (places[inside] - before).astype(np.float32)
    values = clip.astype(np.float32)
    made = np.zeros(len(clip), np.float32)
    made[inside] = values[before] + share * (values[before + 1] - values[before])
    return made


def with_noise(
    view: Waveform | Floats, noise: Waveform, ratio_db: float, *, level: float
) -> Waveform | Floats:
    """With noise `ratio_db` decibels below `level`, the root mean square of the clip."""
    loudness = rms(noise)
    if not loudness or not level:
        return view
    made: Floats = view + noise * np.float32(level / loudness * _times(-ratio_db))
    return made


def silenced(clip: Waveform, draw: Draw, longest: int) -> Waveform:
    """With a gap of at most `longest` samples."""
    length = int(draw.gap * (longest + 1))
    if not length:
        return clip
    start = int(draw.gap_place * (len(clip) - length + 1))
    made = clip.copy()
    made[start : start + length] = 0
    return made


def _chosen(banks: tuple[Waveform, ...], place: float) -> tuple[Waveform, float]:
    """A bank, and the place in it."""
    number, inside = divmod(place * len(banks), 1)
    return banks[int(number)], inside


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])


def _times(decibels: float) -> float:
    return float(10 ** (decibels / 20))
