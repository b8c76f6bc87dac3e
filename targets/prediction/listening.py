"""Words in long sound files: a window that slides over each, and what is detected."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.errors import InputError
from targets.evaluation.streaming import (
    NO_WORDS,
    Detection,
    Listening,
    Probabilities,
    detections,
)
from targets.formats.streaming import WordThreshold
from targets.prediction.classifier import Classifier
from targets.prediction.preparation.sounds import OfSounds
from targets.sounds import reading, windowing
from targets.sounds.windowing import Waveform, Windowing, as_int16, hop_of, resampled

HOP_S = 0.25
THRESHOLD = 0.8
"""Of a model whose sidecar says nothing about long sounds."""


def listening(classifier: Classifier) -> Listening:
    """As the sidecar says, whose threshold is for this. Raises `InputError` for a model of
    something else than sounds."""
    window = windowing_of(classifier)
    ignored = {i for i, name in enumerate(classifier.classes) if name in NO_WORDS}
    if len(ignored) == len(classifier.classes):
        raise InputError(f"{classifier.path}: has no class that is a word to be detected.")
    chosen, rate = classifier.word_threshold, window.rate
    plain = Listening(
        hop_s=hop_of(HOP_S if chosen is None else chosen.hop_s, rate) / rate,
        window_s=window.samples / rate,
        ignored=frozenset(ignored),
    )
    if chosen is None:
        return plain
    return replace(plain, smoothed_over=chosen.smoothed_over, pause_s=chosen.pause_s)


def threshold_of(classifier: Classifier) -> tuple[float, str]:
    """The threshold of the sidecar, else a usual one, and where it is from.

    Raises `InputError` where the sidecar says that none is good enough.
    """
    chosen = classifier.word_threshold
    if chosen is None:
        return THRESHOLD, "a usual one: the model has none of its own"
    limit = f"at most {chosen.false_accepts_per_hour:g} false accepts per hour"
    if chosen.threshold is None:
        raise InputError(
            f"{classifier.path}: no threshold kept {limit} {_where(chosen)}. Give one that is good "
            "enough for you with --threshold."
        )
    return chosen.threshold, f"of the sidecar, chosen for {limit} {_where(chosen)}"


def _where(chosen: WordThreshold) -> str:
    stream = chosen.chosen_on
    kind = "recorded" if stream.made == "recorded" else "synthesised"
    return f"in {stream.seconds / 60:.0f} {kind} minutes ({stream.source})"


def windowing_of(classifier: Classifier) -> Windowing:
    how = classifier.preparation
    if not isinstance(how, OfSounds):
        raise InputError(
            f"{classifier.path}: takes {classifier.words.many}, and only sounds can be listened "
            "to. Give a model of sounds."
        )
    return how.how


def heard(
    classifier: Classifier, file: Path, how: Listening, *, threshold: float
) -> list[Detection]:
    """The words in a file. Raises `UnreadableSoundError`."""
    sound = reading.read(file, longest_s=reading.LONGEST_STREAM_S)
    windows = sliding(sound, windowing_of(classifier), hop_s=how.hop_s)
    return detections(probabilities(classifier, windows), how, threshold=threshold)


def sliding(sound: reading.Sound, how: Windowing, *, hop_s: float) -> npt.NDArray[np.int16]:
    """[windows, samples], of which one begins every `hop_s`; of a shorter sound the only one."""
    values = as_int16(resampled(sound.values, sound.rate, how.rate))
    if len(values) < how.samples:
        return how(sound)[np.newaxis]
    return windowing.sliding(values, how.samples, hop_of(hop_s, how.rate))


def probabilities(classifier: Classifier, windows: npt.NDArray[np.int16]) -> Probabilities:
    """[windows, classes], calibrated as the sidecar says."""
    made = np.zeros((len(windows), len(classifier.classes)))
    for row, window in zip(made, windows, strict=True):
        for score in classifier.classified(_whole(window), top=len(row)).top:
            row[score.index] = score.probability
    return made


def _whole(window: Waveform) -> Waveform:
    """Contiguous: the windows overlap in memory."""
    return np.ascontiguousarray(window)
