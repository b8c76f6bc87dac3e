"""The sound front end is what its formula says."""

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from scipy.fft import dct

from targets.formats.front_end import SILENCE, SoundFrontEnd

Values = npt.NDArray[np.float64]

RATE = 8000
TIME = np.arange(RATE) / RATE


def reference(front: SoundFrontEnd, values: Values) -> Values:
    """In float64, with numpy's FFT and scipy's DCT: [samples] to [frames, coefficients]."""
    places = np.arange(front.frames(len(values)))[:, None] * front.hop + np.arange(front.frame)
    window = np.hanning(front.frame + 1)[:-1]
    power = np.abs(np.fft.rfft(values[places] * window) * 2 / window.sum()) ** 2
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (20, front.rate / 2))
    edges = 700 * (10 ** (np.linspace(low, high, front.bands + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(front.frame, 1 / front.rate)
    corners = (edges[band : band + 3] for band in range(front.bands))
    bands = np.stack([np.interp(hertz, corner, [0, 1, 0], 0, 0) for corner in corners])
    logs = np.log(power @ bands.T + SILENCE)
    logs -= logs.mean(0) if front.subtract_mean else 0
    made = dct(logs, axis=1, norm="ortho")[:, : front.coefficients] / 8
    made[:, 0] *= np.sqrt(2)  # scipy scales the first one down
    return np.asarray(made)


def sounds(rate: int) -> Values:
    """A second each of noise, a tone, and a quiet high one that fades."""
    time = np.arange(rate) / rate
    noise = 0.1 * np.random.default_rng(0).normal(size=rate)
    fading = 0.01 * np.sin(2 * np.pi * 3000 * time) * np.exp(-5 * time)
    return np.stack([noise, 0.9 * np.sin(2 * np.pi * 440 * time), fading])


@pytest.mark.parametrize(
    ("rate", "frame_ms"),
    [(8000, 40), (8000, 32), (11025, 40), (16000, 30), (16000, 40), (44100, 40)],
)
@pytest.mark.parametrize("subtract_mean", [True, False])
def test_it_is_its_formula(rate: int, frame_ms: int, subtract_mean: bool) -> None:
    front = SoundFrontEnd(rate=rate, frame_ms=frame_ms, subtract_mean=subtract_mean)
    made = front(tf.constant(sounds(rate), tf.float32)).numpy()[..., 0]
    assert made.shape[1:] == front.shape((rate,))[:2]
    wanted = np.stack([reference(front, sound) for sound in sounds(rate)])
    np.testing.assert_allclose(made, wanted, atol=1e-3)


def test_silence_is_zero_and_loudness_is_taken_off() -> None:
    front = SoundFrontEnd(rate=RATE)
    loud = np.random.default_rng(0).normal(size=(1, RATE)).astype(np.float32)
    silence, one, other = (front(tf.constant(x)).numpy() for x in (0 * loud, loud, loud / 4))
    assert not silence.any()
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_full_scale_tone_has_the_energy_of_one_in_its_band() -> None:
    front = SoundFrontEnd(rate=RATE, subtract_mean=False, coefficients=40)
    tone = tf.constant(np.sin(2 * np.pi * 1000 * TIME)[None], tf.float32)
    energies = np.exp(
        dct(8 * front(tone).numpy()[0, :, :, 0] / ([2**0.5] + 39 * [1]), type=3, norm="ortho")
    )
    assert 0.5 < energies.max(axis=1).mean() < 1.5


def test_equal_ones_are_equal_after_their_use() -> None:
    """Their tables are kept in the object, and are no part of what it is."""
    one, other = SoundFrontEnd(rate=RATE), SoundFrontEnd(rate=RATE)
    for front in (one, other):
        front(tf.zeros([1, RATE]))
    assert one == other != SoundFrontEnd(rate=RATE, bands=30)
    assert hash(one) == hash(other)
    assert len({one, other}) == 1
