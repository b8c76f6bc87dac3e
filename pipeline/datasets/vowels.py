"""Synthesised words of vowels: a data set of sounds that needs no file, to try the lane with.

NOT speech of people: a source-filter synthesis. Each of the eight words is two vowels; a vowel is
a train of pulses, in a random pitch, through three resonances at the formants that Peterson and
Barney 1952 (J. Acoust. Soc. Am. 24) measured of men, times a random length of the vocal tract. Each
clip has a random speed, loudness, place and noise. What is reached here says nothing about real
speech; for that, give your own recordings to the data set `sounds`.
"""

import hashlib
from itertools import pairwise
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe.section import Section
from targets.errors import InputError
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import Kind, waveform_input

KIND: Kind = "waveform"
RATE = 8000
FORMANTS = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""Hertz."""
BANDWIDTHS = (60, 90, 120)
WORDS = ("ia", "ai", "eo", "oe", "ua", "au", "iu", "ea")
VERSION = 1
"""Part of the digest: another one where the sounds of a seed change."""

Wave = npt.NDArray[np.float64]


class Settings(Section):
    samples: Annotated[int, Field(ge=160, le=100_000)] = 1600
    """Clips, the same number of each word."""


def source_digest(cfg: SourceConfig) -> str:
    if cfg.path is not None:
        raise InputError(
            f"--data {cfg.path}: the data set vowels is synthesised and takes no file. For your "
            "own recordings add --set dataset.name=sounds."
        )
    said = f"vowels {VERSION} {_settings(cfg).samples}"
    return hashlib.sha256(said.encode()).hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    digest = source_digest(cfg)
    labels = np.arange(_settings(cfg).samples) % len(WORDS)
    raw = np.stack([clip(WORDS[label], number) for number, label in enumerate(labels.tolist())])
    return Dataset(
        name="vowels",
        classes=WORDS,
        splits=three_way(
            Samples(raw=raw, labels=labels.astype(np.int64)),
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name="vowels",
            kind=KIND,
        ),
        sha256=digest,
        spec=waveform_input(RATE, SoundFrontEnd(rate=RATE)),
    )


def clip(word: str, number: int) -> npt.NDArray[np.int16]:
    """A second of `word`, [RATE]; all that is random follows from `number`."""
    random = np.random.default_rng((VERSION, number))
    spoken = _spoken(word, random)
    wave = np.zeros(RATE)
    start = int(random.integers(0, RATE - len(spoken)))
    wave[start : start + len(spoken)] = spoken
    loudness, noise = 10 ** random.uniform(-1.5, -0.1), 10 ** random.uniform(-3, -1)
    wave = loudness * (wave / np.abs(wave).max() + noise * random.normal(size=RATE))
    return np.asarray(np.round(np.clip(wave, -1, 1) * 32767), np.int16)


def _spoken(word: str, random: np.random.Generator) -> Wave:
    """The vowels one after the other, gliding from each to the next."""
    length = int(RATE * random.uniform(0.3, 0.7))
    tract = random.uniform(0.85, 1.2)
    stops = np.linspace(0, 1, 2 * len(word))
    tracks = np.repeat([FORMANTS[vowel] for vowel in word], 2, axis=0) * tract
    at = np.linspace(0, 1, length)
    wave = _pulses(length, random)
    for formant, bandwidth in enumerate(BANDWIDTHS):
        wave = _resonated(wave, np.interp(at, stops, tracks[:, formant]), bandwidth)
    return np.asarray(wave * np.sin(np.pi * at) ** 0.5)


def _pulses(length: int, random: np.random.Generator) -> Wave:
    """A pulse per period of a pitch that falls, as in a statement."""
    pitch = random.uniform(90, 250) * np.linspace(1.1, 0.9, length)
    turns = np.floor(np.cumsum(pitch) / RATE)
    return np.diff(turns, prepend=0.0)


def _resonated(wave: Wave, hertz: Wave, bandwidth: float) -> Wave:
    """Through a two-pole resonance whose frequency moves, in pieces of 10 ms: Klatt 1980."""
    from scipy.signal import lfilter

    made, state = np.empty_like(wave), np.zeros(2)
    radius = np.exp(-np.pi * bandwidth / RATE)
    edges = [*range(0, len(wave), RATE // 100), len(wave)]
    for begin, end in pairwise(edges):
        angle = 2 * np.pi * hertz[begin] / RATE
        poles = [1.0, -2 * radius * np.cos(angle), radius**2]
        made[begin:end], state = lfilter([sum(poles)], poles, wave[begin:end], zi=state)
    return made


def _settings(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings
