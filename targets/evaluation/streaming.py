"""Words in a long recording: from probabilities of windows to detections, and how good they are.

The probabilities of a class are averaged over the latest windows, a word is detected where that is
above a threshold, and not again before it was below it or some time has passed (Chen, Parada and
Heigold 2014, "Small-footprint keyword spotting using deep neural networks"). What is counted are
false accepts per hour and the share of words that are missed, as there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
"""[windows, classes]"""


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How a stream is listened to."""

    hop_s: float
    """Seconds from one window to the next."""
    window_s: float
    smoothed_over: int = 3
    """Windows whose mean decides."""
    pause_s: float = 1.0
    """No detection follows another one sooner."""
    ignored: frozenset[int] = frozenset()
    """Classes that are no words, as silence."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    index: int
    """Of the class."""
    time_s: float
    """The end of the window that decides, from the beginning: when a device would know."""
    probability: float
    """The mean over the windows."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A word that is in the recording."""

    index: int
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    threshold: float
    false_accepts_per_hour: float
    false_reject_rate: float
    """Share of the spoken words without a detection."""


def smoothed(probabilities: Probabilities, over: int) -> npt.NDArray[np.float64]:
    """The mean of each window and the `over - 1` before it; of the first ones, of as many as are.

    [windows, classes]
    """
    total = np.cumsum(probabilities, axis=0, dtype=np.float64)
    total[over:] -= total[:-over].copy()
    counts = np.minimum(np.arange(1, len(probabilities) + 1), over)
    made: npt.NDArray[np.float64] = total / counts[:, np.newaxis]
    return made


def detections(
    probabilities: Probabilities, how: Listening, *, threshold: float
) -> list[Detection]:
    """In the order of their times."""
    means = smoothed(probabilities, how.smoothed_over)
    words = [index for index in range(means.shape[1]) if index not in how.ignored]
    found: list[Detection] = []
    was_above: int | None = None
    for place, row in enumerate(means):
        best = max(words, key=row.__getitem__)
        time_s = place * how.hop_s + how.window_s
        above = best if row[best] >= threshold else None
        is_late = not found or time_s - found[-1].time_s >= how.pause_s - 1e-9
        if above is not None and above != was_above and is_late:
            found.append(Detection(index=best, time_s=time_s, probability=float(row[best])))
            was_above = above
        elif above is None:
            was_above = None
    return found


def operating_point(
    found: Sequence[Detection],
    spoken: Sequence[Spoken],
    *,
    threshold: float,
    length_s: float,
    tolerance_s: float,
) -> OperatingPoint:
    """A word is found by a detection of its class from its start to `tolerance_s` behind its end;
    one of no word is a false accept."""
    hits = [[_finds(one, word, tolerance_s) for word in spoken] for one in found]
    false_accepts = sum(not any(row) for row in hits)
    missed = sum(not any(row[place] for row in hits) for place in range(len(spoken)))
    return OperatingPoint(
        threshold=threshold,
        false_accepts_per_hour=false_accepts * 3600 / length_s,
        false_reject_rate=missed / len(spoken),
    )


def _finds(one: Detection, word: Spoken, tolerance_s: float) -> bool:
    is_timely = word.start_s <= one.time_s <= word.end_s + tolerance_s
    return one.index == word.index and is_timely


def curve(
    probabilities: Probabilities,
    spoken: Sequence[Spoken],
    how: Listening,
    *,
    thresholds: Sequence[float],
    tolerance_s: float | None = None,
) -> list[OperatingPoint]:
    """False accepts against false rejects, a point for each threshold.

    `tolerance_s` is by default the delay of the smoothing and the window. Raises `ValueError` where
    nothing is spoken.
    """
    if not spoken:
        raise ValueError("without a spoken word there is no share of missed ones")
    delay_s = how.window_s + how.smoothed_over * how.hop_s
    length_s = (len(probabilities) - 1) * how.hop_s + how.window_s
    return [
        operating_point(
            detections(probabilities, how, threshold=threshold),
            spoken,
            threshold=threshold,
            length_s=length_s,
            tolerance_s=delay_s if tolerance_s is None else tolerance_s,
        )
        for threshold in thresholds
    ]


def best_within(points: Sequence[OperatingPoint], most_per_hour: float) -> OperatingPoint | None:
    """The point with the fewest missed words among those with few enough false accepts; of equal
    ones that with the fewest false accepts. None: there is none."""
    fitting = [one for one in points if one.false_accepts_per_hour <= most_per_hour]
    return min(
        fitting, key=lambda one: (one.false_reject_rate, one.false_accepts_per_hour), default=None
    )
