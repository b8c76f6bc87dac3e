"""Streams to judge files on: synthesised of a split's clips, or recorded, with known words."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.cli.app import exit_code
from pipeline.datasets.splits import Dataset, Split
from pipeline.engine import fingerprint
from pipeline.engine.ablation import variant
from pipeline.engine.graph import STAGES
from pipeline.engine.manifest import StageKey
from pipeline.recipe.load import load, parse_override, read
from pipeline.recipe.streaming import StreamingConfig
from pipeline.search.variants import candidate
from pipeline.streams import sources
from pipeline.streams.stream import Stream
from pipeline.training.augmentation.sounds.noise import rms
from targets.errors import InputError
from tests.sounds import RATE, tone, write
from tests.streams import CLASSES, SAMPLES, WINDOW_S, dataset

SHORT = StreamingConfig(minutes=1)


def test_a_stream_is_a_function_of_the_clips_and_of_its_seed() -> None:
    first, again = (sources.judging(SHORT, dataset()) for _ in range(2))
    assert first.values.tobytes() == again.values.tobytes()
    assert first.spoken == again.spoken
    other = sources.judging(SHORT.model_copy(update={"seed": 1}), dataset())
    assert other.spoken != first.spoken
    assert len(first.values) == 60 * RATE


def test_words_are_where_they_are_said_to_be() -> None:
    """At 60 dB all that is loud is a clip."""
    stream = sources.judging(StreamingConfig(minutes=1, snr_db=60), dataset())
    loud = np.zeros(len(stream.values), bool)
    for word in stream.spoken:
        begin, end = round(word.start_s * RATE), round(word.end_s * RATE)
        assert end - begin == SAMPLES
        assert rms(stream.values[begin:end]) > 100 * rms(stream.values[begin - SAMPLES : begin])
        loud[begin:end] = True
    others = [part for part in rest(stream, loud) if rms(part) > 100]
    assert len(others) == stream.about.others > 0


def rest(stream: Stream, taken: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int16]]:
    """What lies between words, in parts that begin and end where it gets loud or quiet."""
    free = np.where(taken, 0, np.abs(stream.values))
    is_loud = np.convolve(free, np.ones(40) / 40, "same") > 100
    edges = np.flatnonzero(np.diff(is_loud.astype(int)))
    return [stream.values[begin:end] for begin, end in pairwise(edges) if is_loud[begin + 1]]


def test_no_window_holds_parts_of_two_clips() -> None:
    stream = sources.judging(SHORT, dataset(each=200))
    assert stream.about.words + stream.about.others == 30  # a clip in four times its length
    ends = [0.0, *(word.end_s for word in stream.spoken), 60.0 - WINDOW_S]
    starts = [*(word.start_s for word in stream.spoken), 60.0]
    distances = [start - end for start, end in zip(starts, ends, strict=False)]
    assert min(distances) >= WINDOW_S - 1e-9
    assert len({round(one, 3) for one in distances}) > 10


def test_words_are_as_loud_over_the_background_as_asked() -> None:
    stream = sources.judging(StreamingConfig(minutes=1, snr_db=12), dataset())
    quiet = stream.values[: round(stream.spoken[0].start_s * RATE)].astype(float)
    power = float(np.mean(quiet[:SAMPLES] ** 2))
    for word in stream.spoken:
        values = stream.values[round(word.start_s * RATE) :][:SAMPLES].astype(float)
        ratio_db = 10 * np.log10(np.mean(values**2) / power - 1)
        assert ratio_db == pytest.approx(12, abs=1.5)


def test_silence_is_no_clip_and_other_words_are_none_to_detect() -> None:
    stream = sources.judging(StreamingConfig(minutes=10), dataset())
    assert (stream.about.words, stream.about.others) == (24, 12)
    assert {CLASSES[word.index] for word in stream.spoken} == {"no", "yes"}


def test_thresholds_are_chosen_on_the_validation_split_and_judged_on_the_test_split() -> None:
    signs = {Split.TRAIN: 0, Split.VAL: 1, Split.TEST: -1}
    noise = {split: np.full(2 * SAMPLES, 100 * sign, np.int16) for split, sign in signs.items()}
    data = dataset(noise=noise)
    chosen, judged = sources.choosing(SHORT, data), sources.judging(SHORT, data)
    assert (chosen.about.source, judged.about.source) == ("val", "test")
    assert [of_split(stream, data) for stream in (chosen, judged)] == [Split.VAL, Split.TEST]
    assert (chosen.values[:SAMPLES] > 0).all()
    assert (judged.values[:SAMPLES] < 0).all()


def of_split(stream: Stream, data: Dataset) -> Split:
    """The split with the clip that is most like the first word."""
    start = round(stream.spoken[0].start_s * RATE)
    word = stream.values[start : start + SAMPLES].astype(float)
    alike = {
        split: max(np.corrcoef(word, clip)[0, 1] for clip in np.asarray(data[split].raw, float))
        for split in Split
    }
    return max(alike, key=lambda split: alike[split])


def test_made_noise_is_not_repeated() -> None:
    """A false accept would be counted again each time."""
    stream = sources.judging(StreamingConfig(minutes=2, snr_db=-20), dataset(each=1))
    parts = stream.values[: 96 * RATE].reshape(4, -1)
    assert len({part.tobytes() for part in parts}) == 4
    assert max(abs(np.corrcoef(parts)[np.triu_indices(4, 1)])) < 0.1


def test_recordings_are_repeated_and_it_is_said() -> None:
    ramp = np.arange(2, 2 + 3 * SAMPLES, dtype=np.int16)
    stream = sources.judging(SHORT, dataset(noise=dict.fromkeys(Split, ramp)))
    assert stream.about.background == "2 s of background recordings, repeated"


def test_recordings_too_short_for_a_clip_are_an_error() -> None:
    noise = dict.fromkeys(Split, np.ones(100, np.int16))
    with pytest.raises(InputError, match=r"hold 0.025 s for the split 'test', and a clip"):
        sources.require(SHORT, dataset(noise=noise))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 0.02}, "streaming.minutes: a stream of 0.02 minutes of the split 'test'"),
        ({"hop_s": 0.6}, "streaming.hop_s: 0.6 s are longer than the clips of 0.5 s"),
    ],
)
def test_what_no_stream_can_be_made_of_is_an_error(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError) as caught:
        sources.require(SHORT.model_copy(update=changes), dataset())
    assert message in str(caught.value)


def recorded(folder: Path, words: str, *, seconds: float = 8.0, rate: int = RATE) -> Stream:
    return sources.judging(of_files(folder, words, seconds=seconds, rate=rate), dataset())


def of_files(
    folder: Path, words: str, *, seconds: float = 8.0, rate: int = RATE
) -> StreamingConfig:
    sound = write(folder / "room.wav", tone(3, seconds=seconds, rate=rate), rate=rate)
    (folder / "words.csv").write_text(words)
    return StreamingConfig(recording=sound, words=folder / "words.csv")


@pytest.mark.parametrize(
    "words",
    [
        "start,end,label\n1.5,2.25,yes\n4,5,no\n6,6.5,_unknown_\n",
        "label;START;end\nno;4;5\n\nyes;1.5;2.25\n",
        "1.500000\t2.250000\tyes\n\\\t100.0\t900.0\n4.0\t5.0\tno\n",  # a label track of Audacity
        "\ufeffstart\tend\tlabel\tnote\r\n1.5\t2.25\tyes\t\r\n4\t5\tno\tquiet\r\n",
    ],
)
def test_words_of_a_recording_are_read_in_every_form(words: str, tmp_path: Path) -> None:
    stream = recorded(tmp_path, words, rate=8000)
    found = [(CLASSES[word.index], word.start_s, word.end_s) for word in stream.spoken]
    assert found == [("yes", 1.5, 2.25), ("no", 4, 5)]
    assert (stream.about.made, stream.about.source) == ("recorded", "room.wav")
    assert stream.about.seconds == pytest.approx(8)
    assert len(stream.values) == 8 * RATE


HEAD = "start,end,label\n"
MISTAKES = {
    "a class that is none": (
        HEAD + "1,2,yess\n",
        "line 2: 'yess' is no class of the data set; did you mean 'yes'? It has _silence_",
    ),
    "an end before its start": (HEAD + "3,2,yes\n", "line 2: ends at 2 s, and not after its start"),
    "an end behind the recording": (
        HEAD + "1,2,no\n7,9,yes\n",
        "line 3: ends at 9 s, and the reco",
    ),
    "no number": (HEAD + "1,2,no\n1:30,2,no\n", "line 3: '1:30' is no time in seconds"),
    "a negative time": (HEAD + "-1,2,no\n", "line 2: '-1' is no time in seconds"),
    "not a number": (HEAD + "nan,2,no\n", "'nan' is no time in seconds"),
    "several": (HEAD + "3,2,yes\n1,2,x\n", "has 2 wrong lines: line 2:"),
    "no word": (HEAD + "1,2,_unknown_\n", "names no word that the model detects (no, yes)"),
    "nothing": ("\n", "words.csv: is empty."),
    "other columns": (
        "from,to,label\n1,2,no\n",
        "names from, to, label, and the columns start and",
    ),
    "too few cells": ("1,2\n", "line 1 has 2 cells, and 3 are needed."),
    "a NUL byte": (HEAD + "1,2,n\0o\n", "is no class of the data set"),
}


@pytest.mark.parametrize(("words", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_words_is_one_clear_error(
    words: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        sources.require(of_files(tmp_path, words), dataset())
    assert str(caught.value).startswith(f"streaming.words {tmp_path / 'words.csv'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recording_shorter_than_a_window_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"room.wav: is 0.40 s long, and one window .* has 0.5 s"):
        recorded(tmp_path, HEAD + "0.1,0.2,yes\n", seconds=0.4)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "empty file"), (b"<html>", "not a sound file")],
)
def test_a_recording_that_cannot_be_read_is_an_error(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    cfg = of_files(tmp_path, HEAD + "1,2,yes\n")
    assert cfg.recording is not None
    cfg.recording.unlink()
    if content is not None:
        cfg.recording.write_bytes(content)
    with pytest.raises(InputError) as caught:
        sources.require(cfg, dataset())
    assert "room.wav: cannot be read as a sound: " in str(caught.value)
    assert message in str(caught.value)


def test_a_recording_of_more_than_an_hour_is_an_error(tmp_path: Path) -> None:
    cfg = of_files(tmp_path, HEAD + "1,2,yes\n")
    assert cfg.recording is not None
    write(cfg.recording, np.zeros(3_601_000, np.int16), rate=1000)
    with pytest.raises(InputError, match="3,601 s long, and 3,600 s are the most"):
        sources.require(cfg, dataset())


def test_a_validation_recording_chooses(tmp_path: Path) -> None:
    judged = of_files(tmp_path, HEAD + "1,2,yes\n")
    other = of_files(tmp_path / "val", HEAD + "1,2,no\n4,5,no\n")
    both = judged.model_copy(
        update={"validation_recording": other.recording, "validation_words": other.words}
    )
    assert [sources.choosing(cfg, dataset()).about.words for cfg in (judged, both)] == [1, 2]
    assert [sources.judging(cfg, dataset()).about.words for cfg in (judged, both)] == [1, 1]
    (tmp_path / "val" / "words.csv").write_text(HEAD + "2,1,no\n")
    with pytest.raises(InputError, match=r"^streaming.validation_words .*val/words.csv: has 1 wr"):
        sources.require(both, dataset())


CONVERT = next(stage for stage in STAGES if stage.name == "convert")


def made_from(*sets: str) -> StageKey:
    recipe = load("vowels", [parse_override(text) for text in sets])
    needs = dict.fromkeys(CONVERT.needs, "x")
    return fingerprint.stage_key(CONVERT, recipe, inputs=needs, dataset_sha256="d")


def key(*sets: str) -> object:
    return made_from(*sets)["recipe"]["streaming"]


def test_the_code_of_streams_decides_only_the_files_of_recipes_with_one() -> None:
    own = {"pipeline/streams/detecting.py", "pipeline/streams/synthesis.py"}
    assert own <= made_from("streaming.minutes=3")["code"].keys()
    assert not any("streams" in file for file in made_from()["code"])


def test_files_are_made_again_where_another_stream_chooses_their_thresholds(
    tmp_path: Path,
) -> None:
    cfg, other = of_files(tmp_path, HEAD + "1,2,yes\n"), of_files(tmp_path / "b", HEAD + "1,2,no\n")
    pair = (f"streaming.recording={cfg.recording}", f"streaming.words={cfg.words}")
    own = (
        f"streaming.validation_recording={other.recording}",
        f"streaming.validation_words={other.words}",
    )
    moved = of_files(tmp_path / "c", HEAD + "1,2,yes\n")
    assert key() == key("streaming.enabled=false", "streaming.minutes=3") == {"enabled": False}
    assert key("streaming.minutes=3") != key("streaming.minutes=4")
    assert key(*pair) == key(
        f"streaming.recording={moved.recording}", f"streaming.words={moved.words}"
    )
    (tmp_path / "words.csv").write_text(HEAD + "1,3,yes\n")
    assert key(*pair) != key(
        f"streaming.recording={moved.recording}", f"streaming.words={moved.words}"
    )
    chosen = key(*pair, *own)
    (tmp_path / "words.csv").write_text(HEAD + "1,4,yes\n")
    assert key(*pair, *own) == chosen


def test_networks_that_are_only_compared_listen_to_no_stream() -> None:
    source = read("vowels", [parse_override("streaming.minutes=3")])
    assert source.recipe().streaming.enabled
    assert not variant(source.recipe(), "kd", 0).streaming.enabled
    assert not candidate(source, {}).streaming.enabled


REFUSED = {
    "images": (
        "digits",
        ["minutes=3"],
        "streaming: is for clips, and the data set digits holds im",
    ),
    "texts": (
        "commands",
        ["enabled=true"],
        "streaming: is for clips, and the data set commands ho",
    ),
    "no words": ("vowels", ["recording=a.wav"], "recording: needs words beside it; give both"),
    "no recording": ("vowels", ["words=a.csv"], "words: needs recording beside it; give both"),
    "validation alone": (
        "vowels",
        ["validation_recording=a.wav", "validation_words=a.csv"],
        "validation_recording: chooses the threshold that is judged on recording",
    ),
    "minutes of a recording": (
        "vowels",
        ["recording=a.wav", "words=a.csv", "minutes=3"],
        "minutes: is of a synthesised stream, and recording is given; leave one out",
    ),
    "an unknown key": ("vowels", ["minuts=3"], "did you mean 'streaming.minutes'?"),
    "hours": ("vowels", ["minutes=61"], "less than or equal to 60"),
    "no hop": ("vowels", ["hop_s=0"], "greater than 0"),
}


@pytest.mark.parametrize(("recipe", "sets", "message"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_cannot_be_is_refused_with_the_recipe(
    recipe: str, sets: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(recipe, [parse_override(f"streaming.{text}") for text in sets])
    assert message in str(caught.value)


def test_a_table_for_images_may_be_switched_off() -> None:
    assert not load("digits", [parse_override("streaming.enabled=false")]).streaming.enabled
    assert not load("vowels").streaming.enabled


@pytest.mark.parametrize("missing", ["room.wav", "words.csv"])
def test_a_missing_file_ends_a_run_before_anything_trains(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = of_files(tmp_path, HEAD + "1,2,ia\n")
    (tmp_path / missing).unlink()
    argv = ("run", "vowels", "--out", str(tmp_path / "out"), "--set", "dataset.samples=160")
    sets = (f"streaming.recording={cfg.recording}", f"streaming.words={cfg.words}")
    assert exit_code([*argv, *(part for one in sets for part in ("--set", one))]) == 2
    said = capsys.readouterr().err
    assert f"{missing}: cannot be read" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "out").glob("**/artifact.json"))
