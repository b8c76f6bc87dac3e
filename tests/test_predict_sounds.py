"""`pipeline predict` and `Classifier` for a model of sounds. No test hears a real microphone."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from targets import Classifier
from targets.bench.plan import logits_of
from targets.errors import DeviceError, InputError
from targets.formats.streaming import StreamSummary, WordThreshold
from targets.prediction import listening
from targets.prediction.preparation.contract import Item
from targets.sounds import microphone
from targets.sounds.reading import read
from targets.sounds.windowing import Windowing
from tests.picture_models import delivered as of_pictures
from tests.picture_models import photo
from tests.predicting import Predict, command  # noqa: F401 # the fixture `predict`
from tests.sound_models import WINDOW, delivered
from tests.sounds import RATE, tone, wav, write


def sound(peak: int, *, seconds: float = 1.0, rate: int = RATE) -> npt.NDArray[np.int16]:
    values = np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)
    made: npt.NDArray[np.int16] = (peak * values).astype(np.int16)
    return made


LOUD, QUIET = sound(20_000), sound(500)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return delivered(tmp_path / "student.onnx")


def test_a_sound_has_the_window_and_the_logits_of_a_device(model: Path, tmp_path: Path) -> None:
    files = [
        write(tmp_path / "in" / f"{rate}.wav", tone(rate, seconds=seconds, rate=rate), rate=rate)
        for rate, seconds in ((RATE, 0.4), (8000, 1.0), (44_100, 1.7))
    ]
    raw = np.stack([WINDOW(read(path)) for path in files])
    wanted = logits_of(model, "onnx", raw, tmp_path)
    classifier = Classifier(model)
    assert np.stack([classifier.prepared(path) for path in files]).tobytes() == raw.tobytes()
    found = [one.logits for one in classifier.predict_many(files)]
    assert np.stack(found).tobytes() == wanted.tobytes()


def test_one_sound_is_the_same_in_every_form(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", LOUD)
    forms: list[Item] = [
        path,
        str(path),
        path.read_bytes(),
        LOUD,
        LOUD / 32768,
        (LOUD / 32768).astype("f4"),
    ]
    classifier = Classifier(model)
    assert len({classifier.predict(form).logits.tobytes() for form in forms}) == 1
    assert classifier.predict(path).name == "loud"
    assert classifier.predict(QUIET).name == "quiet"


def test_a_sidecar_without_a_window_has_the_rate_of_its_front_end(tmp_path: Path) -> None:
    classifier = Classifier(delivered(tmp_path / "a.onnx", windowing=None))
    assert classifier.preparation.how == WINDOW


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (b"<html>", "a sound (bytes): cannot be read as a sound: not a sound file"),
        (np.zeros((4, 2), np.int16), r"the array is int16 [4, 2], and must be int16 or floats"),
        (np.zeros(9, np.uint8), "the array is uint8 [9]"),
        (np.zeros(0, np.int16), "no samples in it"),
        (np.full(9, np.nan), "9 samples are NaN or infinite"),
        (np.full(9, 20_000.0), "float samples up to 20,000, and not from -1 to 1"),
    ],
)
def test_what_is_no_sound_is_one_clear_error(model: Path, item: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Classifier(model).predict(item)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_of_sounds_give_the_accuracy_and_bad_files_their_reasons(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    root = tmp_path / "in"
    write(root / "loud" / "a.wav", LOUD)
    write(root / "loud" / "b.wav", QUIET)
    write(root / "quiet" / "c.wav", QUIET)
    whole = (root / "quiet" / "c.wav").read_bytes()
    (root / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (root / "empty.wav").touch()
    (root / "slow.wav").write_bytes(wav(LOUD.tobytes(), rate=1))
    (root / "notes.txt").write_text("notes")
    done = predict(model, root, "--top", 1)
    assert done.code == 2
    header, *rows = done.rows
    assert header == ["sound", "class", "%", "label", "verdict"]
    assert [(Path(row[0]).name, row[-1]) for row in rows[:3]] == [
        ("b.wav", "wrong"), ("a.wav", "right"), ("c.wav", "right"),
    ]  # fmt: skip
    assert "2 of 3 sounds in folders that name a class" in done.out
    assert "3 sounds in " in done.err
    assert " to read and resample, " in done.err
    assert "other files in the folders, skipped: 1" in done.err
    assert "Error: 3 of 6 files cannot be read as sounds." in done.err
    for reason in ("cut.wav: truncated", "empty.wav: empty file", "slow.wav: a rate of 1 Hz"):
        assert reason in done.err


def test_json_says_how_a_sound_became_the_input(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    document = json.loads(predict(model, write(tmp_path / "a.wav", LOUD), "--json").out)
    assert document["kind"] == "waveform"
    assert document["windowing"] == {"rate": RATE, "samples": RATE}
    assert document["preprocessing"] is document["tokenizer"] is None
    (one,) = document["sounds"]
    assert one["top"][0]["class"] == "loud"


MISTAKES = {
    "a picture": (["m.onnx", "a.png"], "a.png: holds pictures, and the model takes sounds."),
    "pictures": (["m.onnx", "photos"], "photos: no sounds there (1 other files), which the model"),
    "texts": (["m.onnx", "q.csv"], "q.csv: holds texts, and the model takes sounds."),
    "a sound for pictures": (["p.onnx", "a.wav"], "holds sounds, and the model takes pictures."),
    "a size": (["m.onnx", "a.wav", "--size", "8"], "--size is what its sidecar m.onnx.json says"),
    "a scale": (
        ["bare.onnx", "a.wav", "--scale", "1"],
        "A model of sounds or texts needs",
    ),
    "a microphone for pictures": (["p.onnx", "--microphone"], "takes pictures, and no sounds."),
    "a microphone and files": (["m.onnx", "a.wav", "--microphone"], "FILES: cannot be given with"),
    "a stream of pictures": (["p.onnx", "a.png", "--stream"], "only sounds can be listened to."),
    "a stream as CSV": (
        ["m.onnx", "a.wav", "--stream", "--csv", "o.csv"],
        "--csv: cannot be given",
    ),
    "no package": (["m.onnx", "--microphone"], "pip install 'edge-distill[microphone]'"),
}


@pytest.mark.parametrize(("argv", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph_and_exit_2(
    predict: Predict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.chdir(tmp_path)
    delivered(Path("m.onnx"))
    of_pictures(Path("p.onnx"))
    Path("bare.onnx").write_bytes(Path("m.onnx").read_bytes())
    photo(Path("photos/a.png"), "red")
    photo(Path("a.png"), "red")
    write(Path("a.wav"), LOUD)
    Path("q.csv").write_text("text\nwhere\n")
    done = predict(*argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


def words(*peaks: int) -> npt.NDArray[np.int16]:
    """Two seconds of each loudness, one after the other."""
    return np.concatenate([sound(peak, seconds=2) for peak in peaks])


def test_a_stream_shows_when_its_words_are_heard(
    predict: Predict, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "NO_WORDS", {"quiet"})
    path = write(tmp_path / "a.wav", words(500, 20_000, 500, 20_000, 500))
    done = predict(model, path, "--stream")
    assert done.code == 0
    rows = [(row[-3], row[-4]) for row in done.rows]
    assert [name for name, _ in rows] == ["loud", "loud"]
    times = [float(time.rpartition(":")[2]) for _, time in rows]
    assert 2 < times[0] < 4 < 6 < times[1] < 8
    done = predict(model, path, "--stream", "--json")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [one["time_s"] for one in found] == times
    assert predict(model, path, "--stream", "--threshold", 1).out == ""


def chosen(threshold: float | None) -> WordThreshold:
    """Of a stream that is listened to in another way than usual."""
    return WordThreshold(
        threshold=threshold,
        hop_s=0.5,
        smoothed_over=1,
        pause_s=3.0,
        false_accepts_per_hour=2,
        chosen_on=StreamSummary(made="synthesised", source="val", seconds=1200, words=80),
    )


def test_a_stream_is_heard_as_the_sidecar_says(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "NO_WORDS", {"quiet"})
    path = write(tmp_path / "a.wav", words(500, 20_000, 500, 20_000, 500))
    usual = delivered(tmp_path / "a.onnx")
    own = delivered(tmp_path / "b.onnx", streaming=chosen(0.99))
    done = predict(own, path, "--stream")
    assert (
        "threshold 0.99: of the sidecar, chosen for at most 2 false accepts per hour in 20 "
        "synthesised minutes (val)"
    ) in done.err
    how = listening.listening(Classifier(own))
    assert (how.hop_s, how.smoothed_over, how.pause_s) == (0.5, 1, 3.0)
    expected = listening.heard(Classifier(own), path, how, threshold=0.99)
    assert len(done.rows) == len(expected) == 2
    assert "threshold 0.8: a usual one: the model has none" in predict(usual, path, "--stream").err
    assert "threshold" not in predict(own, path, "--stream", "--threshold", 0.9).err


def test_a_model_without_a_good_enough_threshold_asks_for_one(
    predict: Predict, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.wav", LOUD)
    own = delivered(tmp_path / "a.onnx", streaming=chosen(None))
    done = predict(own, path, "--stream")
    assert (done.code, done.out) == (2, "")
    assert "no threshold kept at most 2 false accepts per hour in 20 synthesised min" in done.err
    assert predict(own, path, "--stream", "--threshold", 0.5).code == 0


def test_a_stream_at_another_rate_or_shorter_than_a_window_is_heard(
    model: Path, tmp_path: Path
) -> None:
    classifier = Classifier(model)
    long = read(write(tmp_path / "a.wav", sound(900, seconds=3, rate=8000), rate=8000))
    windows = listening.sliding(long, WINDOW, hop_s=0.5)
    assert windows.shape == (5, RATE)
    short = read(write(tmp_path / "b.wav", sound(900, seconds=0.3)))
    assert np.array_equal(listening.sliding(short, WINDOW, hop_s=0.5), [WINDOW(short)])
    shares = listening.probabilities(classifier, windows)
    assert shares.shape == (5, 2)
    assert shares.sum(axis=1) == pytest.approx(1)


def test_bad_files_of_a_stream_are_named_and_others_are_heard(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    write(tmp_path / "in" / "a.wav", words(20_000))
    (tmp_path / "in" / "b.wav").touch()
    done = predict(model, tmp_path / "in", "--stream")
    assert done.code == 2
    assert "a.wav" in done.out
    assert "b.wav: empty file" in done.err


Heard = tuple[npt.NDArray[Any], bool]


class Stream:
    """What sounddevice opens: `heard` a call after the other, then Ctrl-C."""

    def __init__(self, heard: list[Heard]) -> None:
        self.heard = iter(heard)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None: ...

    def read(self, frames: int) -> Heard:
        values, lost = next(self.heard, (None, False))
        if values is None:
            raise KeyboardInterrupt
        assert len(values) == frames
        return (values / 32768).astype(np.float32)[:, np.newaxis], lost


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Heard]], None]:
    """Stands in for the package, whose stream gives these values."""

    def install(values: list[Heard]) -> None:
        library = ModuleType("sounddevice")
        library.InputStream = lambda **how: Stream(values)  # type: ignore[attr-defined]
        library.PortAudioError = RuntimeError  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "sounddevice", library)

    return install


def test_every_second_of_the_microphone_is_a_line_until_ctrl_c(
    predict: Predict, model: Path, heard: Callable[[list[Heard]], None]
) -> None:
    heard([(LOUD, False), (QUIET, False)])
    done = predict(model, "--microphone")
    assert done.code == 0
    assert [row[1] for row in done.rows] == ["loud", "quiet"]
    heard([(LOUD, False)])
    done = predict(model, "--microphone", "--json", "--top", 1)
    assert json.loads(done.out)["top"][0]["class"] == "loud"


def test_a_window_of_the_microphone_has_no_gap(heard: Callable[[list[Heard]], None]) -> None:
    heard([(np.full(RATE, second, np.int16), second == 2) for second in range(5)])
    pairs = []
    with suppress(KeyboardInterrupt):
        for window in microphone.windows(Windowing(rate=RATE, samples=2 * RATE)):
            pairs.append((window[0], window[-1]))
    assert pairs == [(0, 1), (2, 3), (3, 4)]


def test_a_microphone_that_cannot_be_opened_is_a_device_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class PortAudioError(Exception):
        pass

    def refuse(**how: object) -> None:
        raise PortAudioError("Error querying device -1")

    library = SimpleNamespace(InputStream=refuse, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    with pytest.raises(DeviceError, match=r"cannot be used at 4,000 Hz: Error querying device -1"):
        next(microphone.windows(WINDOW))
