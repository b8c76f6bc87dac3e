"""The two streams of a run: one to choose each file's threshold on, and one to judge it on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.streaming import StreamingConfig
from pipeline.streams import recording, synthesis
from pipeline.streams.stream import Stream
from targets.errors import InputError
from targets.evaluation.streaming import NO_WORDS, Listening
from targets.formats.front_end import SoundFrontEnd
from targets.sounds.windowing import hop_of, sliding


def choosing(cfg: StreamingConfig, data: Dataset) -> Stream:
    """What thresholds are chosen on: never of the test split."""
    return _stream(cfg, data, Split.VAL)


def judging(cfg: StreamingConfig, data: Dataset) -> Stream:
    return _stream(cfg, data, Split.TEST)


def require(cfg: StreamingConfig, data: Dataset) -> None:
    """Raise `InputError` for recordings, words or clips that no stream can be made of."""
    if NO_WORDS.issuperset(data.classes):
        raise InputError(
            f"streaming: the data set {data.name} has no class that is a word to be detected. "
            "Leave the table out."
        )
    windows(judging(cfg, data), cfg, data)
    if not cfg.same:
        windows(choosing(cfg, data), cfg, data)


def _stream(cfg: StreamingConfig, data: Dataset, split: Split) -> Stream:
    rate, samples = _form(data)
    if cfg.pairs:
        is_validation = split is Split.VAL and cfg.validation_recording is not None
        prefix = "validation_" if is_validation else ""
        sound, words = cfg.pairs[0 if is_validation else 1]
        return recording.recorded(
            sound, words, data.classes, rate=rate, samples=samples, key=prefix
        )
    clips = synthesis.clips_of(data, split, rate=rate, samples=samples)
    return synthesis.synthesised(clips, cfg)


def windows(stream: Stream, cfg: StreamingConfig, data: Dataset) -> npt.NDArray[np.int16]:
    """[windows, samples] of a stream, which overlap in memory."""
    rate, samples = _form(data)
    hop = hop_of(cfg.hop_s, rate)
    if hop > samples:
        raise InputError(
            f"streaming.hop_s: {cfg.hop_s:g} s are longer than the clips of {samples / rate:g} s, "
            "so that what is between two windows would not be heard. Set it to "
            f"{samples / rate / 4:g} or so."
        )
    return sliding(stream.values, samples, hop)


def listening(cfg: StreamingConfig, data: Dataset) -> Listening:
    rate, samples = _form(data)
    return Listening(
        hop_s=hop_of(cfg.hop_s, rate) / rate,
        window_s=samples / rate,
        smoothed_over=cfg.smoothed_over,
        pause_s=cfg.pause_s,
        ignored=ignored(data.classes),
    )


def ignored(classes: Sequence[str]) -> frozenset[int]:
    """The classes that are no words."""
    return frozenset(number for number, name in enumerate(classes) if name in NO_WORDS)


def _form(data: Dataset) -> tuple[int, int]:
    """Samples per second, and of a clip."""
    front_end = data.input.front_end
    assert isinstance(front_end, SoundFrontEnd)  # it is a waveform
    return front_end.rate, data.input.shape[0]
