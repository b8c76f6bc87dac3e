"""A folder of sounds as a data set: labels, speakers, splits, silence, and what is refused."""

import pickle
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import sounds
from pipeline.datasets.sounds.source import fresh, known
from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.schema import DatasetConfig
from targets.errors import InputError
from targets.sounds.reading import read
from targets.sounds.windowing import Windowing
from tests.sounds import RATE, fill, recipe, tone, wav, write

FSDD = r"(?P<label>\d)_(?P<speaker>[a-z]+)_\d+"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return fill(tmp_path / "words", {"no": 12, "yes": 16})


def config(root: Path, **changes: object) -> DatasetConfig:
    table = {"name": "sounds", "path": root, "rate": RATE, "seconds": 0.5, **changes}
    return DatasetConfig.model_validate(table)


def loaded(cfg: DatasetConfig) -> Dataset:
    """The data set as its files are now, as a new process loads it."""
    assert sounds.source_digest(cfg) == known(cfg).sha256
    return sounds.load(cfg)


def held(cfg: DatasetConfig) -> dict[Split, set[str]]:
    """Split -> paths of its clips."""
    source = fresh(cfg)
    pairs = list(zip(source.inventory.entries, source.splits, strict=True))
    return {split: {entry.path for entry, at in pairs if at is split} for split in Split}


def refused(cfg: DatasetConfig) -> str:
    """The one paragraph of what is wrong."""
    with pytest.raises(InputError) as error:
        loaded(cfg)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_folder_for_each_class_is_a_data_set_of_waveforms(words: Path) -> None:
    cfg = config(words)
    data = loaded(cfg)
    assert data.classes == ("no", "yes")
    assert data.input.kind == "waveform"
    assert (data.input.shape, data.input.dtype) == ((2000,), "int16")
    assert data.input.front_end == known(cfg).settings.front_end
    assert data.windowing == Windowing(rate=RATE, samples=2000)
    assert {split: len(data[split]) for split in Split} == {"train": 16, "val": 5, "test": 7}
    assert data.noise is None


def test_every_clip_is_the_window_of_its_file_under_its_label(words: Path) -> None:
    cfg = config(words, rate=3000)
    data, seen = loaded(cfg), 0
    for split, paths in held(cfg).items():
        clips = np.asarray(data[split].raw)
        for clip, label in zip(clips, data[split].labels.tolist(), strict=True):
            matching = [
                path for path in paths
                if np.array_equal(Windowing(rate=3000, samples=1500)(read(words / path)), clip)
            ]  # fmt: skip
            assert [path.split("/")[0] for path in matching] == [data.classes[label]]
            seen += 1
    assert seen == 28


def test_splits_are_the_same_for_the_same_seed_and_wherever_the_folder_lies(words: Path) -> None:
    first, digest = held(config(words)), sounds.source_digest(config(words))
    moved = Path(shutil.move(words, words.parent / "elsewhere"))
    assert held(config(moved)) == first
    assert sounds.source_digest(config(moved)) == digest
    assert held(config(moved, split_seed=1)) != first


def test_the_digest_is_of_contents_names_and_recordings(words: Path) -> None:
    digests = {sounds.source_digest(config(words))}
    (words / "no" / "0000.wav").rename(words / "no" / "first.wav")
    digests.add(sounds.source_digest(config(words)))
    write(words / "no" / "first.wav", tone(99))
    digests.add(sounds.source_digest(config(words)))
    write(words / "_background_noise_" / "hum.wav", tone(100, seconds=9))
    digests.add(sounds.source_digest(config(words)))
    assert len(digests) == 4


def flat(root: Path, speakers: str = "abcdef", *, digits: int = 3, each: int = 3) -> Path:
    """`0_a_0.wav`: digit, speaker, number."""
    for number in range(digits * len(speakers) * each):
        rest, take = divmod(number, each)
        digit, speaker = rest % digits, speakers[rest // digits]
        write(root / f"{digit}_{speaker}_{take}.wav", tone(number))
    return root


def test_no_speaker_is_in_two_splits(tmp_path: Path) -> None:
    cfg = config(flat(tmp_path), pattern=FSDD)
    splits = held(cfg)
    voices = {split: {path.split("_")[1] for path in paths} for split, paths in splits.items()}
    assert {split: len(names) for split, names in voices.items()} == {
        "train": 3, "val": 1, "test": 2,
    }  # fmt: skip
    assert len(set().union(*voices.values())) == 6
    for split in Split:
        digits = Counter(path[0] for path in splits[split])
        assert len(set(digits.values())) == 1, "all speakers said all digits equally often"
    assert "Speakers by split: train 3, val 1, test 2; none is in two." in sounds.notes(cfg)


def test_too_few_speakers_are_an_error_that_says_so(tmp_path: Path) -> None:
    why = refused(config(flat(tmp_path, "ab"), pattern=FSDD))
    assert "speakers in" in why
    assert "too few for three splits. Give more speakers" in why


def test_a_name_can_also_say_which_split_it_is_in(tmp_path: Path) -> None:
    pattern = r"(?P<label>\d)_[a-z]+_((?P<test>0)|(?P<val>1)|\d)"
    splits = held(config(flat(tmp_path), pattern=pattern))
    assert {path[-5] for path in splits[Split.TEST]} == {"0"}
    assert {path[-5] for path in splits[Split.VAL]} == {"1"}
    assert {path[-5] for path in splits[Split.TRAIN]} == {"2"}


def test_a_pattern_adds_the_speakers_of_class_folders(tmp_path: Path) -> None:
    for number in range(24):
        name = f"{number // 2 % 4:08x}_nohash_{number}.wav"
        write(tmp_path / "ab"[number % 2] / name, tone(number))
    splits = held(config(tmp_path, pattern=r"(?P<speaker>[0-9a-f]{8})_nohash_\d+"))
    voices = [{Path(path).name[:8] for path in paths} for paths in splits.values()]
    assert sum(map(len, voices)) == len(set().union(*voices)) == 4


def test_a_pattern_with_a_slash_is_matched_against_the_path(tmp_path: Path) -> None:
    for number in range(24):
        write(tmp_path / f"room{number % 4}" / f"{'ab'[number % 2]}{number}.wav", tone(number))
    cfg = config(tmp_path, pattern=r"room(?P<speaker>\d)/(?P<label>[ab])\d+")
    assert loaded(cfg).classes == ("a", "b")


def test_names_that_do_not_match_are_listed_and_left_out_if_asked(tmp_path: Path) -> None:
    flat(tmp_path)
    write(tmp_path / "extra take.wav", tone(100))
    why = refused(config(tmp_path, pattern=FSDD))
    assert "does not match the names of 1 of the 55 sounds" in why
    assert "extra take.wav" in why
    cfg = config(tmp_path, pattern=FSDD, skip_bad=True)
    assert sum(map(len, held(cfg).values())) == 54
    assert "1 sounds do not match the pattern and are left out." in sounds.notes(cfg)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?P<label>", "no regular expression"),
        (r"\d+", "no group; mark the part of the name"),
        (r"(?P<digit>\d)", "unknown group digit; known are label, speaker, val, test"),
    ],
)
def test_a_wrong_pattern_is_an_error_of_the_recipe(pattern: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^--set dataset.pattern: {why}"):
        recipe(tmp_path, dataset__pattern=pattern)


def test_a_table_gives_labels_splits_and_speakers(tmp_path: Path) -> None:
    rows = ["path,label,split,speaker"]
    for number in range(12):
        write(tmp_path / "wavs" / f"{number}.wav", tone(number))
        split = ("train", "dev", "test")[number // 4]
        rows.append(f"wavs/{number}.wav,{'ab'[number % 2]},{split},{number // 2}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    cfg = config(tmp_path)
    assert {split: len(paths) for split, paths in held(cfg).items()} == dict.fromkeys(Split, 4)
    assert known(cfg).inventory.entries[0].group == "0"
    assert "clips.csv gives the labels." in sounds.notes(cfg)


def test_a_table_without_splits_keeps_speakers_together(tmp_path: Path) -> None:
    rows = ["file;class;speaker_id"]
    for number in range(24):
        write(tmp_path / f"{number}.wav", tone(number))
        rows.append(f"{number}.wav;{'ab'[number % 2]};s{number % 8 // 2}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    splits = held(config(tmp_path))
    voices = [{int(Path(path).stem) % 8 // 2 for path in paths} for paths in splits.values()]
    assert sum(map(len, voices)) == 4


def listed(words: Path) -> Path:
    """With the lists of Speech Commands."""
    (words / "validation_list.txt").write_text("no/0000.wav\nyes/0012.wav\nyes/lost.wav\n")
    (words / "testing_list.txt").write_text("no/0001.wav\nyes/0013.wav\n")
    return words


def test_the_lists_of_speech_commands_give_the_splits(words: Path) -> None:
    cfg = config(listed(words))
    splits = held(cfg)
    assert splits[Split.VAL] == {"no/0000.wav", "yes/0012.wav"}
    assert splits[Split.TEST] == {"no/0001.wav", "yes/0013.wav"}
    assert len(splits[Split.TRAIN]) == 24
    told = "validation_list.txt, testing_list.txt give the splits. 1 of the files in them are miss"
    assert any(note.startswith(told) for note in sounds.notes(cfg))


def test_a_missing_list_is_a_share_of_the_training_part(words: Path) -> None:
    (listed(words) / "validation_list.txt").unlink()
    splits = held(config(words))
    assert splits[Split.TEST] == {"no/0001.wav", "yes/0013.wav"}
    assert len(splits[Split.VAL]) == 4


def test_lists_that_contradict_or_name_nothing_are_errors(words: Path) -> None:
    (listed(words) / "testing_list.txt").write_text("no/0000.wav\n")
    assert "1 sounds are in both validation_list.txt and testing_list.txt" in refused(config(words))
    (words / "testing_list.txt").write_text("words/no/0001.wav\n")
    assert "testing_list.txt names none of the sounds" in refused(config(words))


def spoken(root: Path) -> Path:
    """As Speech Commands: words, and recordings of background noise."""
    fill(root, {"down": 12, "left": 12, "right": 12, "up": 12})
    random = np.random.default_rng(1)
    for name, level in (("hum", 300), ("rain", 900)):
        noise = random.integers(-level, level, 8 * RATE).astype(np.int16)
        write(root / "_background_noise_" / f"{name}.wav", noise)
    return root


def counts(data: Dataset) -> dict[Split, Counter[str]]:
    return {
        split: Counter(data.classes[number] for number in data[split].labels.tolist())
        for split in Split
    }


def test_words_are_kept_and_the_others_are_as_many_as_one_of_them(tmp_path: Path) -> None:
    cfg = config(spoken(tmp_path), words=["up", "down"])
    data = loaded(cfg)
    assert data.classes == ("_silence_", "_unknown_", "down", "up")
    for found in counts(data).values():
        average = round((found["up"] + found["down"]) / 2)
        assert found["_unknown_"] == found["_silence_"] == average
    assert any(note.startswith("Left out of _unknown_") for note in sounds.notes(cfg))
    named = config(tmp_path, unknown=["left", "right"], unknown_share=0.5, silence_share=0)
    found = counts(loaded(named))[Split.TRAIN]
    assert "_silence_" not in found
    assert found["_unknown_"] == round((found["up"] + found["down"]) / 4)


def test_a_report_can_name_the_file_of_every_clip_but_silence(tmp_path: Path) -> None:
    from scipy.io import wavfile

    cfg = config(spoken(tmp_path), words=["up", "down"])
    data = loaded(cfg)
    for split, files in datasets.paths_of(cfg).items():
        samples = zip(files, data[split].labels.tolist(), data[split].raw, strict=True)
        for file, label, window in samples:
            name = data.classes[label]
            assert (file is None) == (name == "_silence_")
            if file is not None:
                assert file.startswith(f"{name}/") or name == "_unknown_"
                np.testing.assert_array_equal(window, wavfile.read(tmp_path / file)[1])


def test_which_unknown_words_stay_follows_from_the_seed(tmp_path: Path) -> None:
    spoken(tmp_path)
    first, again, other = (
        held(config(tmp_path, words=["up", "down"], split_seed=seed)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_word_that_is_no_class_is_an_error_with_the_nearest_one(tmp_path: Path) -> None:
    why = refused(config(spoken(tmp_path), words=["up", "rigth"]))
    assert "dataset.words: rigth is no class of" in why
    assert "did you mean 'right'?" in why


def test_silence_that_is_measured_is_none_that_trains(tmp_path: Path) -> None:
    """Every sample of these recordings is another one, so that a window shows where it is from."""
    fill(tmp_path, {"a": 12, "b": 12})
    ramps = [np.arange(start, start + 8000, dtype=np.int16) for start in (1, 10_001)]
    for number, ramp in enumerate(ramps):
        write(tmp_path / "noise" / f"{number}.wav", ramp)
    data = loaded(config(tmp_path, noise="noise", seconds=0.1))
    label = data.classes.index("_silence_")
    values = {
        split: set(np.asarray(data[split].raw)[data[split].labels == label].ravel().tolist())
        for split in Split
    }
    assert all(values.values())
    assert not values[Split.TRAIN] & (values[Split.VAL] | values[Split.TEST])
    assert not values[Split.VAL] & values[Split.TEST]
    assert data.noise is not None
    for split in Split:
        noise = set(data.noise[split].tolist())
        assert values[split] <= noise
        assert not any(values[other] & noise for other in Split if other is not split)
    assert [len(data.noise[split]) for split in Split] == [2 * 4800, 2 * 1200, 2 * 2000]


def test_a_copy_of_the_data_for_another_process_is_small(tmp_path: Path) -> None:
    data = loaded(config(spoken(tmp_path)))
    copy = pickle.dumps(data)
    assert len(copy) < 300_000  # two recordings of 64 kB
    for split in Split:
        again = np.asarray(pickle.loads(copy)[split].raw)
        np.testing.assert_array_equal(again, np.asarray(data[split].raw))


def test_recordings_too_short_for_three_splits_are_an_error(tmp_path: Path) -> None:
    spoken(tmp_path)
    for path in (tmp_path / "_background_noise_").iterdir():
        write(path, tone(7, seconds=1.5))
    assert "too short to be cut into the three splits" in refused(config(tmp_path))
    data = loaded(config(tmp_path, silence_share=0))
    assert data.noise is not None
    assert "_silence_" not in data.classes


def test_a_noise_folder_that_is_not_there_is_an_error(words: Path) -> None:
    assert "dataset.noise: there is no sound in" in refused(config(words, noise="rooms"))


def test_more_than_an_hour_of_background_is_refused_unread(words: Path) -> None:
    for name in "abcdefg":
        with (words / f"{name}.wav").open("wb") as file:
            file.write(wav(b"", rate=RATE, said=2 * RATE * 599))
            file.truncate(file.tell() + 2 * RATE * 599)
        (words / "_background_noise_").mkdir(exist_ok=True)
        (words / f"{name}.wav").rename(words / "_background_noise_" / f"{name}.wav")
    assert "are 1.2 hours long together, and 1 is the most" in refused(config(words))


def test_copies_come_into_one_split(words: Path) -> None:
    for number in range(6):
        shutil.copy(words / "no" / f"{number:04d}.wav", words / "no" / f"copy{number}.wav")
    for seed in range(3):
        cfg = config(words, split_seed=seed)
        for paths in held(cfg).values():
            for number in range(6):
                assert len({f"no/{number:04d}.wav", f"no/copy{number}.wav"} & paths) != 1
    assert "There again with the same bytes: 6." in sounds.notes(cfg)


def test_the_same_file_in_two_given_splits_is_an_error(words: Path) -> None:
    shutil.copy(words / "no" / "0005.wav", listed(words) / "no" / "0000.wav")
    why = refused(config(words))
    assert "1 pair of sounds of the same bytes: no/0000.wav (val) = no/0005.wav (train)" in why
    assert len(loaded(config(words, allow_leaks=True))[Split.VAL]) == 2


def test_one_file_under_two_labels_is_a_warning(words: Path) -> None:
    shutil.copy(words / "no" / "0005.wav", words / "yes" / "same.wav")
    told = "Warning: the same bytes under two labels, of which one is wrong: 1 (no, yes)."
    assert told in sounds.notes(config(words))


def spoiled(words: Path) -> Path:
    (words / "no" / "0000.wav").write_bytes(b"")
    (words / "no" / "0001.wav").write_bytes(wav(tone(1).tobytes())[:-9])
    (words / "yes" / "0012.wav").write_bytes(wav(tone(2).tobytes(), rate=1))
    write(words / "yes" / "0013.wav", np.full(900, np.nan, np.float32))
    return words


def test_all_files_that_cannot_be_used_are_one_error_with_their_reasons(words: Path) -> None:
    why = refused(config(spoiled(words)))
    assert "4 of the 28 files in" in why
    assert "no/0000.wav (empty file)" in why
    assert "no/0001.wav (truncated: 3,991 of the 4,000 bytes" in why
    assert "yes/0012.wav (a rate of 1 Hz" in why
    assert "yes/0013.wav (900 samples are NaN or infinite" in why
    assert "--skip-bad" in why


def test_files_that_cannot_be_used_are_left_out_if_asked(words: Path) -> None:
    data = loaded(config(spoiled(words), skip_bad=True))
    assert sum(len(data[split]) for split in Split) == 24
    assert all(np.asarray(data[split].raw).any(axis=1).all() for split in Split)


def test_a_broken_recording_is_an_error_too(tmp_path: Path) -> None:
    (spoken(tmp_path) / "_background_noise_" / "hum.wav").write_bytes(b"")
    assert "_background_noise_/hum.wav (empty file)" in refused(config(tmp_path))
    data = loaded(config(tmp_path, skip_bad=True))
    assert data.noise is not None
    assert len(data.noise[Split.TRAIN]) == 0.6 * 8 * RATE


def test_a_flac_without_its_package_is_one_error_about_the_package(
    words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (words / "no" / "a.flac").write_bytes(b"fLaC" + b"\0" * 50)
    assert "FLAC files need the package 'soundfile'" in refused(config(words, skip_bad=True))


def test_what_was_decided_is_told(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 6, "b": 6})
    stereo = np.stack([tone(50), tone(51)], 1)
    write(tmp_path / "a" / "stereo.wav", stereo)
    write(tmp_path / "b" / "long.wav", tone(52, seconds=2))
    write(tmp_path / "b" / "zeros.wav", np.zeros(2000, np.int16))
    write(tmp_path / "b" / "low.wav", tone(53), rate=2000)
    told = sounds.notes(config(tmp_path))
    for note in (
        "Of several channels, of which the mean is taken: 1.",
        "Longer than 0.5 s, of which the middle is taken: 2.",
        "Without any sound in their middle, all samples being 0: 1.",
        "Brought to 4,000 samples per second: 2,000 Hz 1, 4,000 Hz 15.",
    ):
        assert note in told


def test_a_rate_above_that_of_most_files_is_told(words: Path) -> None:
    told = sounds.notes(config(words, rate=16_000))
    assert any("Set dataset.rate to 4,000." in note for note in told)


def test_sounds_without_a_label_join_the_distillation(words: Path) -> None:
    fill(words, {"unlabelled": 5}, first=100)
    data = loaded(config(words))
    assert data.unlabelled is not None
    assert len(data.unlabelled) == 5
    assert len(data.for_distillation()[Split.TRAIN]) == len(data[Split.TRAIN]) + 5


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seconds": 0.05}, "0.05 seconds hold fewer than two frames of 40 ms"),
        ({"coefficients": 50}, "50 coefficients cannot be made of 40 bands"),
        ({"words": ["a"], "unknown": ["b"]}, "words and unknown exclude each other"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(
    changes: dict[str, object], why: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"sounds.toml: dataset: {why}"):
        recipe(tmp_path, **{f"dataset__{key}": value for key, value in changes.items()})


def test_what_is_no_data_set_says_what_to_give(tmp_path: Path, words: Path) -> None:
    assert "needs a folder of sounds: give it with --data" in refused(
        DatasetConfig.model_validate({"name": "sounds"})
    )
    assert "does not exist. Give a folder of sounds" in refused(config(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no sound files (0 others)" in refused(config(empty))
    shutil.rmtree(words / "no")
    assert "has only the class yes" in refused(config(words))
    assert "lie in no class folders and no table gives their labels" in refused(
        config(words / "yes")
    )


class TestCache:
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
        return tmp_path / "cache" / "sounds"

    def made(self, place: Path) -> list[Path]:
        return sorted(path.parent for path in place.glob("*/waveforms.npy"))

    def test_sounds_are_read_once(self, place: Path, words: Path) -> None:
        loaded(config(words))
        (folder,) = self.made(place)
        assert np.load(folder / "waveforms.npy").shape == (28, 2000)
        before = (folder / "waveforms.npy").stat().st_mtime_ns
        moved = Path(shutil.move(words, words.parent / "elsewhere"))
        loaded(config(moved, coefficients=12, split_seed=4))
        assert self.made(place) == [folder]
        assert (folder / "waveforms.npy").stat().st_mtime_ns == before

    @pytest.mark.parametrize("change", [{"rate": 2000}, {"seconds": 0.3}])
    def test_another_window_is_another_copy(
        self, place: Path, words: Path, change: dict[str, object]
    ) -> None:
        loaded(config(words))
        loaded(config(words, **change))
        assert len(self.made(place)) == 2

    @pytest.mark.parametrize("name", ["waveforms.npy", "sounds.jsonl"])
    def test_a_copy_that_was_cut_short_is_made_again(
        self, place: Path, words: Path, name: str
    ) -> None:
        clips = np.asarray(loaded(config(words))[Split.TRAIN].raw)
        (folder,) = self.made(place)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-30])
        np.testing.assert_array_equal(np.asarray(loaded(config(words))[Split.TRAIN].raw), clips)
        assert (folder / name).read_bytes() == content

    def test_what_a_kill_left_is_no_copy(self, place: Path, words: Path) -> None:
        loaded(config(words))
        (folder,) = self.made(place)
        folder.rename(folder.with_suffix(".work"))
        loaded(config(words))
        assert self.made(place) == [folder]

    def test_verify_reads_every_file_again(self, place: Path, words: Path) -> None:
        loaded(config(words))
        (folder,) = self.made(place)
        content = (folder / "waveforms.npy").read_bytes()
        (folder / "waveforms.npy").write_bytes(content[:-2] + b"\x01\x01")
        loaded(config(words, verify=True))
        assert (folder / "waveforms.npy").read_bytes() == content

    def test_a_file_that_changes_while_it_is_read_is_an_error(
        self, place: Path, words: Path
    ) -> None:
        source = fresh(config(words))
        write(words / "no" / "0003.wav", tone(300))
        with pytest.raises(InputError, match=r"0003\.wav changed while it was read"):
            source.dataset()
        assert not self.made(place)
