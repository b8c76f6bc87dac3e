"""`predict.py` of a bundle of sounds or arrays: the bytes of `targets.Classifier`, or why not."""

import re
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from targets.bundle import predict, predict_values
from targets.sounds.reading import read
from targets.sounds.windowing import Windowing

RATE, SAMPLES = 8000, 4000
SPEC: dict[str, Any] = {"kind": "waveform", "shape": [SAMPLES], "front_end": {"rate": RATE}}


def wav(path: Path, values: npt.NDArray[Any], *, rate: int = RATE) -> Path:
    """Of integers [samples] or [samples, channels], by the standard library."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(values.shape[1] if values.ndim == 2 else 1)
        file.setsampwidth(values.dtype.itemsize)
        file.setframerate(rate)
        file.writeframes(values.tobytes())
    return path


def noise(*shape: int) -> npt.NDArray[np.int16]:
    return np.random.default_rng(0).integers(-32768, 32768, shape).astype(np.int16)


def test_it_has_fewer_than_100_lines_and_no_pillow() -> None:
    text = Path(predict_values.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    assert "PIL" not in text
    assert "PIL" in Path(predict.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(4000,), (4001,), (9999,), (9999, 2), (1,), (3001, 3)])
def test_a_sound_has_the_window_of_the_classifier(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(*shape))
    wanted = Windowing(rate=RATE, samples=SAMPLES)(read(path))
    ((name, found),) = predict_values.inputs([path], SPEC)
    assert (name, found.dtype) == (str(path), np.int16)
    assert found.tobytes() == wanted.tobytes()


def torn(path: Path) -> Path:
    wav(path, noise(500))
    path.write_bytes(path.read_bytes()[:-99])
    return path


def text(path: Path) -> Path:
    path.write_text("no sound")
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: wav(p, noise(500), rate=44_100), "44,100 samples a second of 16 bits"),
        (lambda p: wav(p, noise(500).astype(np.uint8)), "of 8 bits"),
        (lambda p: wav(p, noise(500).astype(np.int32)), "of 32 bits"),
        (lambda p: wav(p, noise(0)), "0 bytes"),
        (torn, "no WAV of 16-bit integers|of 16 bits, 901 bytes"),
        (text, "no WAV of 16-bit integers"),
    ],
)
def test_another_sound_is_one_paragraph_with_the_command_that_converts_it(
    make: Any, why: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "a.wav")
    with pytest.raises(SystemExit) as stopped:
        list(predict_values.inputs([path], SPEC))
    said = str(stopped.value)
    assert said.startswith(f"{path}: ")
    assert re.search(why, said)
    assert said.endswith("`ffmpeg -i FILE -ac 1 -ar 8000 -c:a pcm_s16le NEW.wav` makes one.")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.zeros((3, 12)), r"must be numbers \[12, 3\], and is \[3, 12\]"),
        (np.full((12, 3), np.nan), r"must be numbers \[12, 3\]"),
        (None, "no .npy file, which the model takes"),
    ],
)
def test_what_is_no_sample_of_an_array_is_one_paragraph(
    values: npt.NDArray[Any] | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"no array")
    if values is not None:
        np.save(path, values)
    with pytest.raises(SystemExit, match=why):
        list(predict_values.inputs([path], {"kind": "array", "shape": [12, 3]}))
