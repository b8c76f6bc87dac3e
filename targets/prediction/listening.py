"""Words in long sound files: a window that slides over each, and what is detected."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.errors import InputError
from targets.evaluation.streaming import Detection, Listening, Probabilities, detections
from targets.prediction.classifier import Classifier
from targets.prediction.preparation.sounds import OfSounds
from targets.sounds import reading
from targets.sounds.windowing import Waveform, Windowing, as_int16, resampled

NO_WORDS = frozenset({"_silence_", "_unknown_"})
"""Names of classes, as in Speech Commands."""


def listening(classifier: Classifier, *, hop_s: float) -> Listening:
    """Raises `InputError` for a model of something else than sounds."""
    windowing = windowing_of(classifier)
    ignored = {i for i, name in enumerate(classifier.classes) if name in NO_WORDS}
    if len(ignored) == len(classifier.classes):
        raise InputError(f"{classifier.path}: has no class that is a word to be detected.")
    return Listening(
        hop_s=hop_s,
        window_s=windowing.samples / windowing.rate,
        ignored=frozenset(ignored),
    )


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
    windows = sliding(reading.read(file), windowing_of(classifier), hop_s=how.hop_s)
    return detections(probabilities(classifier, windows), how, threshold=threshold)


def sliding(sound: reading.Sound, windowing: Windowing, *, hop_s: float) -> npt.NDArray[np.int16]:
    """[windows, samples], of which one begins every `hop_s`; of a shorter sound the only one."""
    values = as_int16(resampled(sound.values, sound.rate, windowing.rate))
    if len(values) < windowing.samples:
        return windowing(sound)[np.newaxis]
    hop = max(1, round(hop_s * windowing.rate))
    return np.lib.stride_tricks.sliding_window_view(values, windowing.samples)[::hop]


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
