"""A stream that is made of the clips of a split, at random distances in background noise.

NOT a recording: the words are cut out, none is cut off, the noise is even. What is reached here is
easier than a room; a recording of the place where the device will listen says more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.streaming import StreamingConfig
from pipeline.streams.stream import Stream
from pipeline.training.augmentation.draws import LISTENING_STREAM, generator
from pipeline.training.augmentation.sounds.noise import fresh, rms
from targets.errors import InputError
from targets.evaluation.streaming import NO_WORDS, Spoken
from targets.formats.streaming import StreamSummary
from targets.sounds.windowing import Waveform

SILENCE = "_silence_"
LEAST_SHARE = 4
"""Of the time a clip takes one part in so many at most, so that most of it is background."""
FADE_S = 0.01
"""At both ends of a clip, which would click if its own noise began at once."""


@dataclass(frozen=True, kw_only=True)
class Clips:
    """What a stream is made of: the clips of a split that are no silence."""

    split: Split
    raw: Raw
    """[clips, samples]"""
    labels: npt.NDArray[np.int64]
    words: frozenset[int]
    """The classes that are to be detected."""
    rate: int
    noise: Waveform | None
    """Background recordings of the split, [samples]; None: noise is made."""

    @property
    def samples(self) -> int:
        return int(self.raw.shape[1])


def clips_of(data: Dataset, split: Split, *, rate: int, samples: int) -> Clips:
    part, names = data[split], data.classes
    silence = [number for number, name in enumerate(names) if name == SILENCE]
    index = np.flatnonzero(~np.isin(part.labels, silence))
    noise = None if data.noise is None else data.noise[split]
    if noise is not None and len(noise) < samples:
        raise InputError(
            f"streaming: the background recordings hold {len(noise) / rate:.2g} s for the split "
            f"'{split}', and a clip has {samples / rate:g} s. Give longer recordings, or a stream "
            "of your own with streaming.recording and streaming.words."
        )
    taken = part.take(index)
    return Clips(
        split=split,
        raw=taken.raw,
        labels=taken.labels,
        words=frozenset(n for n, name in enumerate(names) if name not in NO_WORDS),
        rate=rate,
        noise=noise,
    )


def synthesised(clips: Clips, cfg: StreamingConfig) -> Stream:
    """The same arguments give the same bytes."""
    random = generator(cfg.seed, LISTENING_STREAM, list(Split).index(clips.split))
    total = round(cfg.minutes * 60 * clips.rate)
    chosen = random.permutation(len(clips.labels))[: total // (LEAST_SHARE * clips.samples)]
    starts = _places(len(chosen), clips.samples, total, random)
    spoken = _spoken(clips, chosen, starts)
    if not spoken:
        raise InputError(
            f"streaming.minutes: a stream of {cfg.minutes:g} minutes of the split '{clips.split}' "
            f"holds {len(chosen)} clips, and none of them is a word. A clip of "
            f"{clips.samples / clips.rate:g} s is put into every {LEAST_SHARE} times its length: "
            "set more minutes."
        )
    raw = np.asarray(clips.raw[chosen])
    level = _level(raw)
    values = _background(clips, total, level * 10 ** (-cfg.snr_db / 20), random)
    fade = min(round(FADE_S * clips.rate), clips.samples // 2)
    for clip, start in zip(raw, starts.tolist(), strict=True):
        _mix(values[start : start + clips.samples], clip, level, fade=fade)
    about = _about(clips, cfg, words=len(spoken), others=len(chosen) - len(spoken))
    return Stream(values=values, spoken=spoken, about=about)


def _places(
    count: int, samples: int, total: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Where clips begin. A clip's length of background at least is before, between and behind them,
    so that no window holds parts of two; what is left is shared out at random."""
    free = total - (2 * count + 1) * samples
    before = np.sort(random.integers(0, max(1, free + 1), count))
    places: npt.NDArray[np.int64] = before + (2 * np.arange(count) + 1) * samples
    return places


def _spoken(
    clips: Clips, chosen: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]
) -> tuple[Spoken, ...]:
    rate = clips.rate
    return tuple(
        Spoken(index=label, start_s=start / rate, end_s=(start + clips.samples) / rate)
        for label, start in zip(clips.labels[chosen].tolist(), starts.tolist(), strict=True)
        if label in clips.words
    )


def _level(raw: Raw) -> float:
    """Root mean square of the middle clip: every clip is brought to it, and so to one ratio."""
    levels = [level for clip in raw if (level := rms(clip))]
    return float(np.median(levels)) if levels else 0.0


def _background(
    clips: Clips, total: int, level: float, random: np.random.Generator
) -> npt.NDArray[np.int16]:
    """[total] samples of a root mean square of `level`."""
    if clips.noise is None:
        # No piece is repeated: the same false accept would be counted again and again.
        pieces = [fresh(clips.rate, random)]
        while sum(map(len, pieces)) < total:
            pieces.append(fresh(clips.rate, random))
        bank = np.concatenate(pieces)[:total]
    else:
        start = int(random.integers(0, len(clips.noise)))
        bank = np.resize(np.roll(clips.noise, -start), total)
    loudness = rms(bank)
    scaled = bank * np.float32(level / loudness if loudness else 0.0)
    return _rounded(scaled)


def _mix(place: npt.NDArray[np.int16], clip: Waveform, level: float, *, fade: int) -> None:
    """Add the clip at `level` to the samples of its place."""
    loudness = rms(clip)
    if not loudness:
        return
    envelope = np.ones(len(clip), np.float32)
    envelope[:fade] = np.arange(fade) / fade
    envelope[len(clip) - fade :] = envelope[:fade][::-1]
    place[:] = _rounded(place + clip * envelope * np.float32(level / loudness))


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    made: npt.NDArray[np.int16] = np.rint(values).clip(-32768, 32767).astype(np.int16)
    return made


def _about(clips: Clips, cfg: StreamingConfig, *, words: int, others: int) -> StreamSummary:
    seconds = cfg.minutes * 60
    noise, background = clips.noise, "white, pink and brown noise"
    if noise is not None:
        length = len(noise) / clips.rate
        again = ", repeated" if length < seconds else ""
        background = f"{length:.0f} s of background recordings{again}"
    return StreamSummary(
        made="synthesised",
        source=str(clips.split),
        seconds=seconds,
        words=words,
        others=others,
        background=background,
        snr_db=cfg.snr_db,
    )
