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

NO_WORDS = frozenset({"_silence_", "_unknown_"})
"""Names of classes that are not to be detected, as in Speech Commands."""

THRESHOLDS = (
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96),
    *(0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999, 0.9995, 0.9999, 1.0),
)
"""Fixed, so that the curves of two files and of two runs have the same points."""

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
    """What a threshold does in a recording, as counts."""

    threshold: float
    words: int
    """That are spoken."""
    missed: int
    """Of these, without a detection."""
    false_accepts: int
    """Detections of no word."""
    hours: float

    @property
    def false_accepts_per_hour(self) -> float:
        return self.false_accepts / self.hours

    @property
    def false_reject_rate(self) -> float:
        return self.missed / self.words


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
    words = np.array([index for index in range(means.shape[1]) if index not in how.ignored])
    heights, bests = means[:, words].max(axis=1), words[means[:, words].argmax(axis=1)]
    found: list[Detection] = []
    was_above: int | None = None
    for place, (height, best) in enumerate(zip(heights.tolist(), bests.tolist(), strict=True)):
        if height < threshold:
            was_above = None
            continue
        time_s = place * how.hop_s + how.window_s
        is_late = not found or time_s - found[-1].time_s >= how.pause_s - 1e-9
        if best != was_above and is_late:
            found.append(Detection(index=best, time_s=time_s, probability=height))
            was_above = best
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
    hits = _hits(found, spoken, tolerance_s)
    return OperatingPoint(
        threshold=threshold,
        words=len(spoken),
        missed=int((~hits.any(axis=0)).sum()),
        false_accepts=int((~hits.any(axis=1)).sum()),
        hours=length_s / 3600,
    )


def _hits(
    found: Sequence[Detection], spoken: Sequence[Spoken], tolerance_s: float
) -> npt.NDArray[np.bool_]:
    """Which detection finds which word, [detections, words]."""
    times = np.array([one.time_s for one in found])[:, np.newaxis]
    classes = np.array([one.index for one in found])[:, np.newaxis]
    starts = np.array([word.start_s for word in spoken])
    ends = np.array([word.end_s for word in spoken]) + tolerance_s
    same = classes == np.array([word.index for word in spoken])
    hits: npt.NDArray[np.bool_] = same & (starts <= times) & (times <= ends)
    return hits


def curve(
    probabilities: Probabilities,
    spoken: Sequence[Spoken],
    how: Listening,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
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
    ones that with the fewest false accepts. None: there is none.

    Of those that are equal in both, which follow one another by their thresholds, the middle one:
    in another recording either count may change.
    """
    fitting = [one for one in points if one.false_accepts_per_hour <= most_per_hour]
    if not fitting:
        return None
    fewest = min((one.missed, one.false_accepts) for one in fitting)
    best = [one for one in fitting if (one.missed, one.false_accepts) == fewest]
    return sorted(best, key=lambda one: one.threshold)[len(best) // 2]


def rate_interval(count: int, hours: float, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of events per hour, of which `count` were seen: Garwood 1936, Biometrika 28.

    The counts are taken as Poisson's: false accepts that come in bursts vary more.
    """
    from scipy.stats import chi2

    low = float(chi2.ppf((1 - level) / 2, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf((1 + level) / 2, 2 * count + 2)) / 2
    return low / hours, high / hours
