"""The front end of sound networks: from a waveform to MFCCs, as operators of the graph.

Only builtin operators of TFLite and of ONNX's opset 13, one implementation for training, files and
devices. The DFT is two small ones in a row (Cooley and Tukey 1965): as one matrix it took twice the
time and nine times the space, and TFLite's own RFFT2D takes only powers of two.
"""

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from targets.untyped import Tensor

Matrix = npt.NDArray[np.float32]

PREFIX = "front_end/"
"""Begins the names of the front end's tensors in a file."""
SILENCE = 1e-6
"""Added to the energy of a band in front of the logarithm; a full-scale sine has about 1."""


class SoundFrontEnd(BaseModel):
    """MFCCs of frames that overlap by half, minus their mean over time.

    The mean takes off what is the same over the whole recording, a microphone, a room and the
    loudness: on spoken digits of speakers that were never heard it was worth more than any
    augmentation. Mel scale: O'Shaughnessy 1987, `2595 log10(1 + f / 700)`. Source of the frame
    sizes: MLPerf Tiny's keyword spotting, arXiv 2106.07597.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: int = Field(ge=1000)
    """Samples per second."""
    frame_ms: int = Field(default=40, ge=4)
    """Length of a frame; one begins every half of it."""
    bands: int = Field(default=40, ge=2)
    """Mel bands, from 20 Hz to half the rate."""
    coefficients: int = Field(default=10, ge=1)
    """Coefficients of the cosine transform over the bands that are kept, from the first on."""
    subtract_mean: bool = True
    """Take off each coefficient's mean over time."""

    def __eq__(self, other: object) -> bool:
        """pydantic compares the arrays of cached properties too, and fails."""
        return isinstance(other, SoundFrontEnd) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values)

    @property
    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in type(self).model_fields)

    @property
    def hop(self) -> int:
        """Samples from one frame's beginning to the next one's."""
        return self.rate * self.frame_ms // 2000

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return 2 * self.hop

    def frames(self, samples: int) -> int:
        return samples // self.hop - 1

    def shape(self, raw: tuple[int, ...]) -> tuple[int, ...]:
        """[frames, coefficients, 1] of a waveform of the shape `raw`, [samples]."""
        return self.frames(raw[0]), self.coefficients, 1

    def __call__(self, values: Tensor) -> Tensor:
        """From values of -1 to 1, [batch, samples], to [batch, frames, coefficients, 1]."""
        import tensorflow as tf

        frames = self.frames(values.shape[1])
        logarithm = tf.math.log(self._band_energies(values, frames) + SILENCE)
        if self.subtract_mean:
            logarithm -= tf.reduce_mean(logarithm, 1, keepdims=True)
        shape = self.shape(values.shape[1:])
        return tf.reshape(tf.matmul(logarithm, self._cosines), [-1, *shape])

    def _band_energies(self, values: Tensor, frames: int) -> Tensor:
        """[batch, frames, bands]."""
        import tensorflow as tf

        first, second = _factors(self.frame)
        half = first // 2 + 1
        halves = tf.reshape(values[:, : (frames + 1) * self.hop], [-1, frames + 1, self.hop])
        x = tf.concat([halves[:, :-1], halves[:, 1:]], 2) * self._window
        x = tf.transpose(tf.reshape(x, [-1, frames, first, second]), [0, 1, 3, 2])
        z = tf.matmul(x, _real_dft(first))
        real, imaginary = z[..., :half], z[..., half:]
        cosine, sine = _twiddles(first, second)
        turned = tf.concat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], 2)
        y = tf.square(tf.matmul(tf.transpose(turned, [0, 1, 3, 2]), _complex_dft(second)))
        power = tf.reshape(y[..., :second] + y[..., second:], [-1, frames, half * second])
        return tf.matmul(power, self._bands_of_power)

    @cached_property
    def _window(self) -> Matrix:
        """A periodic Hann window, scaled so that a full-scale sine has a power of about 1."""
        window = np.hanning(self.frame + 1)[:-1]
        return _float32(2 * window / window.sum())

    @cached_property
    def _bands_of_power(self) -> Matrix:
        """Triangular filters on the powers in the order in which the two-stage DFT has them; of a
        frequency that it has twice, only the first counts."""
        first, second = _factors(self.frame)
        number = np.arange(first // 2 + 1)[:, None] + first * np.arange(second)
        number = np.minimum(number, self.frame - number).ravel()
        filters: Matrix = self._filters()[number]
        again = np.ones(len(number), bool)
        again[np.unique(number, return_index=True)[1]] = False
        filters[again] = 0
        return filters

    def _filters(self) -> Matrix:
        """[frequencies, bands]."""
        nyquist = self.rate / 2
        frequencies = np.arange(self.frame // 2 + 1) * self.rate / self.frame
        edges = _hertz(np.linspace(_mel(20.0), _mel(nyquist), self.bands + 2))
        rising = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
        return _float32(np.maximum(0, np.minimum(rising, falling)))

    @cached_property
    def _cosines(self) -> Matrix:
        """The orthonormal DCT-II over the bands, [bands, coefficients], divided by 8: then most
        coefficients are within -4 and 4."""
        angle = np.pi / self.bands * (np.arange(self.bands)[:, None] + 0.5)
        cosines = np.sqrt(2 / self.bands) * np.cos(angle * np.arange(self.coefficients))
        return _float32(cosines / 8)


def _factors(length: int) -> tuple[int, int]:
    """Two numbers whose product is `length`, as near to each other as can be; the first is even."""
    even = [n for n in range(2, length + 1, 2) if length % n == 0]
    first = min(even, key=lambda n: abs(math.log(n * n / length)))
    return first, length // first


def _real_dft(length: int) -> Matrix:
    """[length, 2 * (length / 2 + 1)]: real parts, then imaginary parts."""
    angle = 2 * np.pi * np.outer(np.arange(length), np.arange(length // 2 + 1)) / length
    return _float32(np.concatenate([np.cos(angle), -np.sin(angle)], 1))


def _complex_dft(length: int) -> Matrix:
    """[2 * length, 2 * length], from and to real parts, then imaginary parts."""
    angle = 2 * np.pi * np.outer(np.arange(length), np.arange(length)) / length
    return np.block([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).astype(
        np.float32
    )


def _twiddles(first: int, second: int) -> tuple[Matrix, Matrix]:
    """Cosine and sine of the factors between the stages, [second, first / 2 + 1] each."""
    angle = 2 * np.pi * np.outer(np.arange(second), np.arange(first // 2 + 1)) / (first * second)
    return _float32(np.cos(angle)), _float32(-np.sin(angle))


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)


def _float32(values: npt.NDArray[np.float64]) -> Matrix:
    return np.asarray(values, np.float32)
