"""A folder of pictures as a data set."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import folder
from pipeline.datasets.folder.look import look
from pipeline.datasets.splits import UNLABELLED, Split
from targets.images.reading import read
from tests.folders import config, fill, picture


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return fill(tmp_path / "pets", {"cat": 20, "dog": 24})


def test_class_folders_are_split_by_the_shares(pets: Path) -> None:
    data = folder.load(config(pets))
    assert data.classes == ("cat", "dog")
    assert [len(data[split]) for split in Split] == [26, 7, 11]
    assert {int(label) for split in Split for label in data[split].labels} == {0, 1}
    assert data.unlabelled is None


def test_images_are_what_the_preprocessing_makes_of_each_file(pets: Path) -> None:
    cfg = config(pets, size=12)
    data, records = folder.load(cfg), folder.records(cfg)
    assert data.preprocessing is not None
    for split in Split:
        paths = [pets / record.path for record in records if record.split == split]
        made = np.stack([data.preprocessing(read(path)) for path in paths])
        assert np.array_equal(np.asarray(data[split].raw), made)


def test_pictures_are_in_the_order_of_the_images(pets: Path) -> None:
    cfg = config(pets, size=12, canvas=200)
    data = folder.load(cfg)
    pictures = data[Split.TRAIN].pictures
    assert pictures is not None
    paths = [pets / record.path for record in folder.records(cfg) if record.split == "train"]
    assert len(pictures) == len(paths)
    assert all(np.array_equal(pictures[at], read(path)) for at, path in enumerate(paths))
    chosen = pictures.pick(np.array([3, 1]))
    assert np.array_equal(chosen[1], pictures[1])


def test_a_larger_picture_is_kept_at_the_side_that_crops_need(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a": 6, "b": 6})
    picture(99, width=400, height=300).save(root / "a" / "large.png")
    data = folder.load(config(root, size=96))
    pictures = [
        part.pictures[at].shape
        for part in data.splits.values()
        if part.pictures is not None
        for at in range(len(part))
    ]
    assert (120, 160, 3) in pictures
    assert pictures.count((16, 20, 3)) == 12


def test_unlabelled_pictures_are_in_no_split(pets: Path) -> None:
    fill(pets / "unlabelled" / "more", {"x": 1, "y": 2})
    data = folder.load(config(pets))
    assert data.unlabelled is not None
    assert data.unlabelled.labels.tolist() == [UNLABELLED] * 3
    assert data.classes == ("cat", "dog")
    assert sum(len(data[split]) for split in Split) == 44


def test_the_digest_is_that_of_the_contents_wherever_they_lie(pets: Path, tmp_path: Path) -> None:
    first = folder.source_digest(config(pets))
    moved = pets.rename(tmp_path / "animals")
    assert folder.source_digest(config(moved)) == first == folder.load(config(moved)).sha256
    (moved / "cat" / "0000.png").rename(moved / "dog" / "0000.png")
    assert folder.source_digest(config(moved)) != first


def test_a_look_names_what_cannot_be_read_and_waits_for_no_pipe(pets: Path) -> None:
    os.mkfifo(pets / "cat" / "pipe.png")
    os.mkfifo(pets / "cat" / "pipe")
    (pets / "dog" / "gone.png").symlink_to("nowhere.png")
    (pets / "dog" / "page.png").write_text("<html>")
    found = look(config(pets))
    assert found.unreadable == {
        "dog/gone.png": "No such file or directory",
        "dog/page.png": "not a picture",
    }
    assert len(found.sides) == 44
    assert "2 files are no pictures: cat/pipe, cat/pipe.png." in found.notes


def test_the_data_set_is_loaded_at_its_size_with_its_pictures(pets: Path) -> None:
    data = datasets.load(config(pets, size=24))
    assert data.input.shape == (24, 24, 3)
    assert data[Split.TEST].pictures is not None
