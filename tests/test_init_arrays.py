"""`pipeline init`: a file of arrays in, a recipe with reasons out."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.recipe.array_proposal import FoundArrays, propose_arrays
from pipeline.recipe.load import load
from tests.arrays import NAMES, series, write
from tests.test_init import Init, chosen, init

__all__ = ["init"]  # the fixture


def found(**changes: object) -> FoundArrays:
    values: dict[str, object] = {
        "path": "sensors.npz",
        "shape": (128, 9),
        "classes": {"sit": 300, "walk": 300},
        "train": 4000,
        "cores": 2,
    }
    return FoundArrays(**{**values, **changes})  # type: ignore[arg-type]


def test_a_file_of_arrays_has_a_recipe_that_can_be_loaded(init: Init, tmp_path: Path) -> None:
    path = write(tmp_path / "my sensors.npz", classes=NAMES, subject=np.arange(60) // 3)
    code, out, err = init(path)
    assert (code, err) == (0, "")
    assert "60 samples of 3 classes: ahead 20, aside 20, up 20" in out
    assert "splits (seeded, by group):" in out
    assert "each is a series of 12 steps of 3 channels" in out
    recipe = load("my-sensors.toml")
    assert (recipe.dataset.name, recipe.dataset.path) == ("arrays", path)
    assert (recipe.teacher.family, recipe.distill.family) == ("crnn", "ds_cnn")
    assert recipe.augmentation.kind == "array"
    datasets.source_digest(recipe.dataset)


def test_what_was_found_is_one_json_document(init: Init, tmp_path: Path) -> None:
    _, out, _ = init(write(tmp_path / "a.npz", split=["train"] * 45 + ["test"] * 15), "--json")
    said = json.loads(out)["found"]
    assert (said["shape"], said["groups"], said["splits_given"]) == ([12, 3], 0, True)
    assert said["splits"] == {"train": 38, "val": 7, "test": 15}


def test_pictures_in_an_archive_are_sent_to_their_data_set(init: Init, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((60, 8, 8), "u1"), labels=series()["labels"])
    code, _, err = init(path)
    assert code == 2
    assert "If they are pictures, that is the data set npz (dataset.name)." in err


@pytest.mark.parametrize(
    ("shape", "family"), [((128, 9), "crnn"), ((2000, 1), "resnet"), ((32, 32, 1), "resnet")]
)
def test_the_teacher_follows_the_shape(shape: tuple[int, ...], family: str) -> None:
    made = propose_arrays(found(shape=shape), minutes=60)
    assert chosen(made, "teacher.family") == family
    assert chosen(made, "distill.family") == "ds_cnn"


def test_less_time_means_fewer_epochs_and_uneven_classes_are_drawn_evenly() -> None:
    uneven = found(train=90_000, classes={"a": 100, "b": 5})
    long, short = (propose_arrays(uneven, minutes=minutes) for minutes in (600, 2))
    assert (chosen(short, "teacher.epochs"), chosen(long, "teacher.epochs")) == (2, 6)
    assert chosen(short, "distill.balance") == "sampling"
    assert chosen(propose_arrays(found(), minutes=60), "distill.balance") is None


def test_whether_columns_are_a_series_is_a_key_of_the_recipe(init: Init, tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", values=series()["values"].reshape(60, -1))
    assert init(path, "--set", "dataset.layout=features")[0] == 0
    assert 'layout = "features"  # given with --set' in Path("a.toml").read_text()
    assert datasets.load(load("a.toml").dataset).input.features == (1, 1, 36)
