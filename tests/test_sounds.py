"""Sound files: what is read bit for bit, what is refused in which words, and a model's window."""

import io
import re
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.io import wavfile

from targets.errors import InputError
from targets.sounds.reading import header, read
from targets.sounds.recognition import may_be_sound
from targets.sounds.unreadable import UnreadableSoundError
from targets.sounds.windowing import Windowing, as_int16, centred, resampled
from tests.sounds import RATE, chunk, tone, wav, write

SAMPLES = tone(0)
LITTLE = SAMPLES.astype("<i2").tobytes()
GUID = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""Behind the format in the sub-format of an extensible header."""


def extensible(tag: int, bits: int) -> bytes:
    return struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", tag) + GUID


def reason(source: bytes | Path, **limits: float) -> str:
    with pytest.raises(UnreadableSoundError) as refused:
        read(source, **limits)
    return str(refused.value)


def written(samples: npt.NDArray[Any], rate: int = RATE) -> bytes:
    made = io.BytesIO()
    wavfile.write(made, rate, samples)
    return made.getvalue()


def test_sixteen_bits_come_back_as_they_were_stored() -> None:
    sound = read(written(SAMPLES))
    assert (sound.rate, sound.header.channels, sound.header.seconds) == (RATE, 1, 0.5)
    np.testing.assert_array_equal(as_int16(sound.values), SAMPLES)
    made = Windowing(rate=RATE, samples=len(SAMPLES))(sound)
    np.testing.assert_array_equal(made, SAMPLES)


@pytest.mark.parametrize("name", ["uint8", "int16", "int32", "float32", "float64"])
def test_every_type_means_the_same_sound(name: str) -> None:
    values = SAMPLES / 32768
    if name == "uint8":
        stored = np.rint(values * 128 + 128).astype(np.uint8)
    elif name.startswith("int"):
        stored = (SAMPLES.astype(np.int64) * 2 ** (np.iinfo(name).bits - 16)).astype(name)
    else:
        stored = values.astype(name)
    made = read(written(stored)).values
    np.testing.assert_allclose(made, values, atol=0.5 / 128 if name == "uint8" else 0, rtol=1e-15)


def pcm24(values: npt.NDArray[np.int32]) -> bytes:
    return values.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


ODD = {
    "24 bits": wav(pcm24(SAMPLES.astype(np.int32) * 256 + 3), bits=24),
    "extensible": wav(LITTLE, tag=0xFFFE, extra=extensible(1, 16)),
    "extensible float": wav(
        (SAMPLES / 32768).astype("<f4").tobytes(), tag=0xFFFE, bits=32, extra=extensible(3, 32)
    ),
    "20 bits in 24": wav(pcm24(SAMPLES.astype(np.int32) * 256), bits=24, extra=b"\0\0"),
    "a list in front": wav(LITTLE, before=chunk(b"LIST", b"INFOodd")),
    "a chunk behind": wav(LITTLE) + chunk(b"LIST", b"INFO"),
    "big endian": wav(SAMPLES.astype(">i2").tobytes(), order=">", riff=b"RIFX"),
    "RF64": wav(
        LITTLE, riff=b"RF64", said=2**32 - 1,
        before=chunk(b"ds64", struct.pack("<QQQI", 4072, len(LITTLE), len(SAMPLES), 0)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_read_as_scipy_and_libsndfile_read_them(name: str) -> None:
    import soundfile

    values = read(ODD[name]).values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        _, by_scipy = wavfile.read(io.BytesIO(ODD[name]))
    full_scale = 1 if by_scipy.dtype.kind == "f" else 2.0 ** (8 * by_scipy.itemsize - 1)
    np.testing.assert_array_equal(values, by_scipy / full_scale)
    np.testing.assert_array_equal(values, soundfile.read(io.BytesIO(ODD[name]))[0])
    np.testing.assert_allclose(values, SAMPLES / 32768, atol=2**-20)


@pytest.mark.parametrize("said", [2**32 - 1, 2**31, 0x7FFFFFFF])
def test_a_stream_ends_where_the_file_ends(said: int) -> None:
    """As ffmpeg and arecord write into a pipe: the size was not known."""
    np.testing.assert_array_equal(read(wav(LITTLE, said=said)).values * 32768, SAMPLES)


def test_channels_are_mixed_down_to_their_mean() -> None:
    stereo = np.stack([SAMPLES, np.zeros_like(SAMPLES)], 1)
    sound = read(written(stereo))
    assert sound.header.channels == 2
    np.testing.assert_array_equal(sound.values, SAMPLES / 65536)
    both = np.stack([SAMPLES, SAMPLES], 1)
    np.testing.assert_array_equal(read(written(both)).values, SAMPLES / 32768)


def with_value(value: float) -> bytes:
    values = (SAMPLES / 32768).astype(np.float32)
    values[7] = value
    return written(values)


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty file"),
    "text": (b"path,label\na.wav,yes\n", "not a sound file"),
    "a picture": (b"RIFF\x10\0\0\0WEBPVP8 ", "not a sound file"),
    "no samples": (wav(b""), "no samples in it"),
    "truncated": (wav(LITTLE)[:-1001], "truncated: 2,999 of the 4,000 bytes"),
    "cut in the header": (wav(LITTLE)[:30], "header is cut short"),
    "cut behind the form": (wav(LITTLE)[:36], "without samples"),
    "1 Hz": (wav(LITTLE, rate=1), "a rate of 1 Hz"),
    "0 Hz": (wav(LITTLE, rate=0), "a rate of 0 Hz"),
    "no channel": (wav(LITTLE, channels=0), "broken: 0 channels"),
    "4 bits of PCM": (wav(LITTLE, bits=4), "broken: 1 channels of 4 bits"),
    "NaN": (with_value(float("nan")), "1 samples are NaN or infinite"),
    "infinity": (with_value(float("-inf")), "1 samples are NaN or infinite"),
    "values of 16 bits as float": (written(SAMPLES.astype(np.float32)), "divide them by full"),
    "A-law": (wav(LITTLE[:800], tag=6, bits=8), "A-law samples, which are not read: make a PCM"),
    "ADPCM": (wav(LITTLE[:800], tag=17, bits=4, extra=b"\2\0\xf9\1"), "ADPCM samples"),
    "an unknown code": (wav(LITTLE, tag=0x1234), "coded (format 0x1234) samples"),
    "MPEG-4": (b"\0\0\0\x20ftypM4A " + b"\0" * 40, "ffmpeg -i OLD NEW.wav"),
    "a broken FLAC": (b"fLaC" + b"\0" * 40, "broken FLAC: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_usable_sound_says_why(name: str) -> None:
    content, why = REFUSED[name]
    assert why in reason(content)


@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_a_file_cut_anywhere_is_refused_and_nothing_else(cut: int) -> None:
    assert reason(ODD["RF64"][:cut])


def test_an_hour_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The file is a hole of 230 MB: reading it would show in the memory of the tests."""
    hour = tmp_path / "hour.wav"
    size = 2 * 3600 * 16000
    with hour.open("wb") as file:
        file.write(wav(b"", rate=16000, said=size))
        file.truncate(file.tell() + size)
    assert "3,600 s long, and 600 s are the most" in reason(hour)
    assert header(hour).seconds == 3600
    assert len(read(wav(LITTLE), longest_s=0.5).values) == 2000
    assert "0 s are the most" in reason(wav(LITTLE), longest_s=0.4)


def spoiled_flac(seed: int) -> bytes:
    """With a few wrong bytes in its header."""
    import soundfile

    made, random = io.BytesIO(), np.random.default_rng(seed)
    soundfile.write(made, SAMPLES, 8000, format="FLAC")
    content = bytearray(made.getvalue())
    for place in random.integers(4, 90, 4):
        content[place] = random.integers(256)
    return bytes(content)


@pytest.mark.parametrize("name", [*ODD, "FLAC"])
def test_wrong_bytes_are_a_reason_or_a_sound_and_never_a_traceback(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reasons = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        content = bytearray(ODD.get(name) or spoiled_flac(seed))
        for place in random.integers(0, 70, 4) if name in ODD else ():
            content[place] = random.choice([0, 1, 127, 255])
        try:
            read(bytes(content))
        except UnreadableSoundError as error:
            reasons.append(str(error))
    assert any(reasons)
    assert all(len(why.splitlines()) == 1 for why in reasons)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_file_that_is_not_there_is_no_crash(tmp_path: Path) -> None:
    assert reason(tmp_path / "none.wav") == "No such file or directory"
    assert reason(tmp_path) == "Is a directory"


@pytest.mark.parametrize(("suffix", "exact"), [("FLAC", True), ("OGG", False), ("AIFF", True)])
def test_other_formats_are_read_with_soundfile(suffix: str, exact: bool) -> None:
    import soundfile

    made = io.BytesIO()
    soundfile.write(made, SAMPLES, 8000, format=suffix)
    sound = read(made.getvalue())
    assert header(made.getvalue()) == sound.header
    assert (sound.rate, sound.header.samples) == (8000, len(SAMPLES))
    if exact:
        np.testing.assert_array_equal(sound.values, SAMPLES / 32768)
    else:
        assert np.corrcoef(sound.values, SAMPLES)[0, 1] > 0.9


def test_without_soundfile_one_paragraph_names_the_package(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError, match=r"FLAC files need the package 'soundfile'.*\[sounds\]"):
        read(b"fLaC" + b"\0" * 40)
    assert len(read(wav(LITTLE)).values) == len(SAMPLES)


def test_reading_warns_of_nothing(tmp_path: Path) -> None:
    """Warnings are errors in the tests; scipy's reader gives one for each of these."""
    for name, content in ODD.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
        read(tmp_path / f"{name}.wav")


def test_a_sound_is_known_by_its_name_or_by_its_first_bytes(tmp_path: Path) -> None:
    expected = {"a.WAV": True, "b.flac": True, "c.txt": False, "d": True, "e": False}
    for name in expected:
        (tmp_path / name).write_bytes(b"text" if name == "e" else wav(LITTLE))
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    assert {name: may_be_sound(tmp_path / name) for name in expected} == expected
    assert may_be_sound(tmp_path / "gone.wav")


def sine(rate: int, hertz: float, seconds: float = 1.0) -> npt.NDArray[np.float64]:
    time = np.arange(round(rate * seconds)) / rate
    made: npt.NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * hertz * time)
    return made


@pytest.mark.parametrize(("rate", "to"), [(44100, 16000), (48000, 16000), (8000, 16000)])
def test_a_tone_stays_the_tone_at_another_rate(rate: int, to: int) -> None:
    made = resampled(sine(rate, 440), rate, to)
    assert len(made) == to
    inner = slice(to // 10, -to // 10)
    error = (made - sine(to, 440))[inner]
    assert 10 * np.log10(np.mean(error**2) / np.mean(sine(to, 440) ** 2)) < -50


@pytest.mark.parametrize("hertz", [9600, 11_000, 15_000, 23_000])
def test_what_the_new_rate_cannot_hold_does_not_come_back_as_another_tone(hertz: int) -> None:
    made = resampled(sine(48000, hertz), 48000, 16000)
    assert 20 * np.log10(np.abs(made[1000:-1000]).max() / 0.5) < -55


def test_the_middle_of_a_long_sound_is_kept_and_a_short_one_lies_between_zeros() -> None:
    assert centred(np.arange(7.0), 3).tolist() == [2, 3, 4]
    assert centred(np.arange(7.0), 4).tolist() == [1, 2, 3, 4]
    assert centred(np.arange(1.0, 4), 6).tolist() == [0, 1, 2, 3, 0, 0]
    assert centred(np.arange(3.0), 3).tolist() == [0, 1, 2]


def test_integers_are_rounded_and_clipped_at_full_scale() -> None:
    values = np.array([0.4, -0.4, 0.6, 40000, -40000]) / 32768
    assert as_int16(values).tolist() == [0, 0, 1, 32767, -32768]


def test_a_window_has_the_same_bytes_whatever_the_file_was(tmp_path: Path) -> None:
    window: Callable[[Any], Any] = Windowing(rate=8000, samples=8000)
    as_file = write(tmp_path / "a.wav", tone(3, seconds=2, rate=44100), rate=44100)
    first = window(read(as_file))
    assert first.dtype == np.int16
    assert first.shape == (8000,)
    np.testing.assert_array_equal(first, window(read(as_file.read_bytes())))


def test_the_code_of_the_documentation_runs(tmp_path: Path, monkeypatch: Any) -> None:
    text = (Path(__file__).parent.parent / "docs" / "sounds.md").read_text(encoding="utf-8")
    *_, code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    write(tmp_path / "yes.wav", tone(3, seconds=2, rate=44100), rate=44100)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["samples"].dtype == np.int16
    assert names["samples"].any()
