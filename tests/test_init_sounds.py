"""`pipeline init`: a folder of sounds in, a recipe with reasons out."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import datasets
from pipeline.datasets.sounds.guess import labels, speakers
from pipeline.recipe.load import load
from pipeline.recipe.sound_proposal import FoundSounds, propose_sounds
from tests.sounds import fill, tone, write
from tests.test_init import Init, chosen, init

__all__ = ["init"]  # the fixture


def found(**changes: object) -> FoundSounds:
    values: dict[str, object] = {
        "path": "words",
        "classes": {"no": 300, "yes": 300},
        "train": 2000,
        "rate": 16_000,
        "long": 0.8,
        "pattern": None,
        "recordings": 0,
        "cores": 2,
    }
    return FoundSounds(**{**values, **changes})  # type: ignore[arg-type]


def test_class_folders_of_sounds_have_a_recipe_that_can_be_loaded(
    init: Init, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "my words", {"no": 12, "yes": 16})
    write(folder / "_background_noise_" / "hum.wav", tone(99, seconds=9))
    code, out, err = init(folder)
    assert (code, err) == (0, "")
    assert "28 labelled sounds of 2 classes: no 12, yes 16" in out
    assert "splits (seeded): train 16, val 5, test 7" in out
    assert "1 background recordings" in out
    assert "0.50 to 0.50 s long, median 0.50, 95 % up to 0.50; 4,000 Hz 28" in out
    recipe = load("my-words.toml")
    assert (recipe.dataset.name, recipe.dataset.path) == ("sounds", folder)
    assert (recipe.teacher.family, recipe.distill.family) == ("crnn", "ds_cnn")
    assert recipe.augmentation.kind == "waveform"
    data = datasets.load(recipe.dataset)
    assert data.classes == ("_silence_", "no", "yes")
    assert data.input.shape == (8000,)


def test_names_that_hold_class_and_speaker_are_read_and_it_is_said(
    init: Init, tmp_path: Path
) -> None:
    for number in range(36):
        name = f"{number % 3}_{'abcd'[number // 9]}_{number // 3 % 3}.wav"
        write(tmp_path / "digits" / "wavs" / name, tone(number))
    code, out, _ = init(tmp_path / "digits")
    assert code == 0
    assert "splits (seeded, by speaker): train 18, val 9, test 9" in out
    assert "4 speakers" in out
    line = next(row for row in Path("digits.toml").read_text().splitlines() if "pattern" in row)
    assert line.endswith("# names look as LABEL_SPEAKER_NUMBER: if not so, exchange the two")
    data = datasets.load(load("digits.toml").dataset)
    assert data.classes == ("0", "1", "2")


def test_names_that_say_nothing_need_a_pattern_which_the_error_asks_for(
    init: Init, tmp_path: Path
) -> None:
    for number in range(24):
        write(tmp_path / "takes" / f"take{number}{'ab'[number % 2]}.wav", tone(number))
    code, _, err = init(tmp_path / "takes")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "24 sounds in" in err
    assert r"--set 'dataset.pattern=(?P<label>[a-z]+)_\d+'" in err
    assert not list(Path.cwd().iterdir())
    code, out, _ = init(tmp_path / "takes", "--set", r"dataset.pattern=take\d+(?P<label>[ab])")
    assert code == 0
    assert "24 labelled sounds of 2 classes: a 12, b 12" in out
    assert r"take\d+(?P<label>[ab])" in load("takes.toml").dataset.model_dump()["pattern"]


def test_speech_commands_is_recognised(init: Init, tmp_path: Path) -> None:
    root = tmp_path / "commands"
    for number in range(40):
        name = f"{number // 2:08x}_nohash_0.wav"
        write(root / ("no", "yes")[number % 2] / name, tone(number))
    (root / "validation_list.txt").write_text("no/00000000_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("yes/00000001_nohash_0.wav\n")
    code, out, _ = init(root)
    assert code == 0
    assert "splits (given): train 38, val 1, test 1" in out
    assert "20 speakers" in out
    assert "names are SPEAKER_nohash_NUMBER, as in Speech Commands" in out


def test_a_table_of_sounds_is_no_file_of_texts(init: Init, tmp_path: Path) -> None:
    rows = ["path,label"]
    for number in range(24):
        write(tmp_path / "clips" / f"{number}.wav", tone(number))
        rows.append(f"{number}.wav,{'ab'[number % 2]}")
    (tmp_path / "clips" / "clips.csv").write_text("\n".join(rows))
    assert init(tmp_path / "clips")[0] == 0
    assert load("clips.toml").dataset.name == "sounds"


def test_the_larger_number_of_files_says_what_a_folder_holds(init: Init, tmp_path: Path) -> None:
    folder = fill(tmp_path / "mixed", {"a": 3, "b": 3})
    for number in range(14):
        noise = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / "ab"[number % 2] / f"{number}.png")
    init(folder)
    assert load("mixed.toml").dataset.name == "folder"


def test_what_was_found_is_one_json_document(init: Init, tmp_path: Path) -> None:
    folder = fill(tmp_path / "words", {"no": 12, "yes": 16})
    (folder / "no" / "empty.wav").touch()
    document = json.loads(init(folder, "--json")[1])
    assert document["found"]["classes"] == {"no": 13, "yes": 16}
    assert document["found"]["rates"] == {"4000": 28}
    assert document["found"]["unreadable"] == {"no/empty.wav": "empty file"}


def test_a_folder_of_broken_sounds_is_one_paragraph(init: Init, tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / "words" / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF" + bytes([number] * 9))
    code, _, err = init(tmp_path / "words")
    assert code == 2
    assert "no file in it can be used as a sound: a/0.wav (not a sound file)" in err


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"{w}_{n}" for w in ("on", "off") for n in range(3)], r"(?P<label>[^_]+)_\d+"),
        ([f"{w}-{n:03}" for w in ("on", "off") for n in range(3)], r"(?P<label>[^-]+)-\d+"),
        ([f"on_{n}" for n in range(9)], None),  # one class
        ([f"{n}_on" for n in range(9)], None),
        ([f"take{n}" for n in range(9)], None),
        ([f"{n}-{n + 1}-{n % 3}-{n % 5}" for n in range(9)], None),
        ([f"{w}_{v}_{n}" for w, v in (("on", "ann"), ("off", "bob")) for n in range(4)], None),
        ([f"{w}_{v}_{n}" for w in ("on", "off") for v in "12" for n in range(4)], None),
    ],
)
def test_only_obvious_names_are_taken_for_labels(names: list[str], pattern: str | None) -> None:
    guess = labels([f"{name}.wav" for name in names])
    assert (None if guess is None else guess.pattern) == pattern


def test_speakers_are_seen_in_the_names_of_speech_commands_alone() -> None:
    assert speakers(["no/004ae714_nohash_0.wav", "yes/004ae714_nohash_1.wav"])
    assert speakers(["no/004ae714_nohash_0.wav", "yes/ann_1.wav"]) is None


def test_rate_and_length_follow_from_the_files() -> None:
    for rate, proposed in ((8000, 8000), (11_025, 16_000), (16_000, 16_000), (48_000, 16_000)):
        assert chosen(propose_sounds(found(rate=rate), minutes=60), "dataset.rate") == proposed
    for long, proposed_s in ((0.4, 1.0), (1.0, 1.0), (1.2, 1.5), (99, 10.0)):
        choices = propose_sounds(found(long=long), minutes=60)
        assert chosen(choices, "dataset.seconds") == proposed_s


@pytest.mark.parametrize("minutes", [1, 5, 60])
@pytest.mark.parametrize("train", [200, 2000, 40_000])
def test_the_estimate_is_within_the_time_or_the_least_that_learns(minutes: int, train: int) -> None:
    choices = propose_sounds(found(train=train), minutes=minutes)
    reason = next(c.reason for c in choices if (c.table, c.key) == ("teacher", "epochs"))
    assert reason.startswith(f"{train:,} training sounds: about ")
    about = int(reason.split("about ")[1].split()[0])
    least = (chosen(choices, "teacher.epochs"), chosen(choices, "distill.epochs")) == (2, 4)
    assert about <= minutes or (least and reason.endswith(", the least that learns"))


def test_uneven_classes_are_balanced() -> None:
    uneven = found(classes={"a": 900, "b": 30})
    assert chosen(propose_sounds(uneven, minutes=60), "distill.balance") == "sampling"
    assert chosen(propose_sounds(found(), minutes=60), "distill.balance") is None


def test_each_decision_has_its_reason() -> None:
    assert all(choice.reason for choice in propose_sounds(found(recordings=3), minutes=60))
