"""Signal-to-noise ratio, 10 log10(sum x^2 / sum (x - x8)^2), in dB."""

import numpy as np
import numpy.typing as npt

EXACT_DB = 120.0
"""About the precision of float32: the ratio of equal tensors, and the largest there is."""
LOW_DB = 10.0
"""Noise of a tenth of the signal: a layer below is named on the terminal and on the page."""

Values = npt.NDArray[np.float64]


class SignalToNoise:
    """The ratio over several arrays."""

    def __init__(self) -> None:
        self._signal = self._noise = 0.0

    def add(self, *, exact: Values, rounded: Values) -> None:
        self._signal += float(np.square(exact, dtype=np.float64).sum())
        self._noise += float(np.square(np.subtract(exact, rounded, dtype=np.float64)).sum())

    @property
    def has_signal(self) -> bool:
        return self._signal > 0

    @property
    def db(self) -> float:
        if not self._noise:
            return EXACT_DB
        if not self._signal:
            return -EXACT_DB
        ratio = 10 * np.log10(self._signal / self._noise)
        # Rounded: the last places of a sum differ between processors.
        return round(float(np.clip(ratio, -EXACT_DB, EXACT_DB)), 2)


def snr_db(*, exact: Values, rounded: Values) -> float:
    ratio = SignalToNoise()
    ratio.add(exact=exact, rounded=rounded)
    return ratio.db
