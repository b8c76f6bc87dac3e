"""The sound front end is what its formula says, in training and in both formats."""

import numpy as np
import pytest
import tensorflow as tf

from targets.formats.front_end import SILENCE, SoundFrontEnd


def reference(front: SoundFrontEnd, values: np.ndarray) -> np.ndarray:
    """In float64, with numpy's FFT: [samples] to [frames, coefficients]."""
    places = np.arange(front.frames(len(values)))[:, None] * front.hop + np.arange(front.frame)
    window = np.hanning(front.frame + 1)[:-1]
    power = np.abs(np.fft.rfft(values[places] * window) * 2 / window.sum()) ** 2
    edges = 700 * (
        10
        ** (
            np.linspace(0, 1, front.bands + 2) * (mel(front.rate / 2) - mel(20)) / 2595
            + mel(20) / 2595
        )
        - 1
    )
    hertz = np.fft.rfftfreq(front.frame, 1 / front.rate)
    bands = np.stack(
        [np.interp(hertz, edges[i : i + 3], [0, 1, 0], 0, 0) for i in range(front.bands)]
    )
    logs = np.log(power @ bands.T + SILENCE)
    logs -= logs.mean(0) if front.subtract_mean else 0
    from scipy.fft import dct

    made = dct(logs, axis=1, norm="ortho")[:, : front.coefficients] / 8
    made[:, 0] *= np.sqrt(2)  # the first row of the DCT is not scaled down
    return made


def mel(hertz: float) -> float:
    return 2595 * np.log10(1 + hertz / 700)


@pytest.mark.parametrize(
    ("rate", "frame_ms"),
    [(8000, 40), (16000, 40), (16000, 30), (8000, 32), (11025, 40), (44100, 40)],
)
@pytest.mark.parametrize("subtract_mean", [True, False])
def test_it_is_its_formula(rate: int, frame_ms: int, subtract_mean: bool) -> None:
    front = SoundFrontEnd(rate=rate, frame_ms=frame_ms, subtract_mean=subtract_mean)
    random = np.random.default_rng(0)
    time = np.arange(rate) / rate
    sounds = np.stack(
        [
            random.normal(size=rate) * 0.1,
            0.9 * np.sin(2 * np.pi * 440 * time),
            np.sin(2 * np.pi * 3000 * time) * np.exp(-5 * time) * 0.01,
        ]
    )
    made = front(tf.constant(sounds, tf.float32)).numpy()[..., 0]
    wanted = np.stack([reference(front, sound) for sound in sounds])
    assert made.shape[1:] == front.shape(rate)[:2]
    np.testing.assert_allclose(made, wanted, atol=1e-3)
