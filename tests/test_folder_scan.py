"""Which files of a folder are the pictures of which class and split."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline.datasets import folder
from pipeline.datasets.class_names import natural
from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.files.roles import roles
from pipeline.datasets.splits import Split
from targets.errors import InputError
from targets.images.recognition import EXTENSIONS
from targets.prediction.files import listed
from tests.folders import config, fill, loaded, picture


def scan(root: Path, **changes: object) -> Inventory:
    return folder.inventory_of(config(root, **changes))


def test_ten_comes_behind_two_and_case_decides_only_equal_names() -> None:
    names = ["10", "b", "2", "A", "a", "1", "a10", "a9"]
    assert sorted(names, key=natural) == ["1", "2", "10", "A", "a", "a9", "a10", "b"]


def test_numbered_classes_are_in_the_order_of_counting(tmp_path: Path) -> None:
    assert scan(fill(tmp_path, {"10": 3, "2": 3, "1": 3})).classes == ("1", "2", "10")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train", "val", "test"), "train val test"),
        (("Training", "VALID", "Test_Set"), "train val test"),
        (("train_images", "dev", "testing"), "train val test"),
        (("train", "eval"), "train test"),
        (("train", "eval", "test"), "train val test"),
        (("trainer", "latest", "settings"), ""),
    ],
)
def test_the_usual_names_mean_a_split(names: tuple[str, ...], expected: str) -> None:
    assert " ".join(roles(names)[name] for name in names if name in roles(names)) == expected


def test_split_folders_hold_class_folders_of_any_depth(tmp_path: Path) -> None:
    root = fill(
        tmp_path,
        {
            "train/Fruit/Apple/Gala": 2,
            "train/Milk": 2,
            "val/Milk": 1,
            "test/Fruit/Apple/Gala": 1,
            "iconic/Milk": 4,
        },
    )
    inventory = scan(root)
    assert inventory.classes == ("Fruit/Apple/Gala", "Milk")
    assert Counter(entry.split for entry in inventory.entries) == {
        Split.TRAIN: 4,
        Split.VAL: 1,
        Split.TEST: 1,
    }
    assert inventory.notes == ("iconic is none of the splits; its 4 pictures are left out.",)


@pytest.mark.parametrize(
    ("depth", "classes"),
    [
        (None, ("Fruit/Apple", "Fruit/Pear", "Milk")),
        (1, ("Fruit", "Milk")),
        (-1, ("Apple", "Milk", "Pear")),
    ],
)
def test_depth_is_the_number_of_folders_that_make_the_class(
    depth: int | None, classes: tuple[str, ...], tmp_path: Path
) -> None:
    root = fill(tmp_path, {"Fruit/Apple": 3, "Fruit/Pear": 3, "Milk": 3})
    assert scan(root, depth=depth).classes == classes


def test_a_class_that_is_named_like_a_split_is_a_class(tmp_path: Path) -> None:
    assert scan(fill(tmp_path, {"car": 3, "train": 3})).classes == ("car", "train")


def test_a_class_without_training_pictures_is_noted_with_its_twin(tmp_path: Path) -> None:
    root = fill(tmp_path, {"train/Dress": 3, "train/Hat": 3, "test/dress": 1, "val/Hat": 1})
    assert scan(root).notes == ("There is no training picture of dress; like Dress?.",)


def test_missing_splits_are_held_out_of_the_training_split(tmp_path: Path) -> None:
    root = fill(tmp_path, {"train/a": 20, "train/b": 20, "test/a": 3, "test/b": 3})
    data = loaded(config(root))
    assert [len(data[split]) for split in Split] == [34, 6, 6]
    assert "no val split" in scan(root).notes[0]
    (root / "test").rename(root / "validation")
    data = loaded(config(root))
    assert [len(data[split]) for split in Split] == [30, 6, 10]


def test_what_systems_leave_behind_is_nobodys_class(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 3, "dog": 3, ".ipynb_checkpoints": 1, "__MACOSX": 1})
    for name in (".DS_Store", "cat/Thumbs.db", "cat/._0.png", "cat/notes.txt", "dog/box.json"):
        (root / name).write_bytes(b"junk")
    (root / "mouse").mkdir()
    inventory = scan(root)
    assert inventory.classes == ("cat", "dog")
    assert len(inventory.entries) == 6
    assert inventory.notes == (
        "No class, as no picture is in it: mouse.",
        "2 files are no pictures: cat/notes.txt, dog/box.json.",
    )
    (root / "dog" / "box.json").unlink()
    assert scan(root).notes[-1] == "1 file is no picture: cat/notes.txt."


def test_a_picture_without_a_known_suffix_is_found_by_its_contents(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 3, "dog": 3})
    picture(7).save(root / "cat" / "IMG_0007", format="JPEG")
    (root / "cat" / "README").write_text("BMW and P5 are no pictures")
    assert [entry.path for entry in scan(root).entries][3] == "cat/IMG_0007"
    assert len(scan(root).entries) == 7


KINDS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


@pytest.mark.parametrize(("kind", "big"), [*((kind, False) for kind in KINDS), ("TIFF", True)])
@pytest.mark.parametrize("named", [True, False])
def test_no_format_is_left_out_with_or_without_a_suffix(
    kind: str, big: bool, named: bool, tmp_path: Path
) -> None:
    root = fill(tmp_path, {"cat": 3, "dog": 3})
    names = [f"new.{extension}" for extension in EXTENSIONS[kind]] if named else ["new"]
    for name in names:
        picture(7).save(root / "cat" / name, format=kind, big_tiff=big)
    assert len(scan(root).entries) == 6 + len(names)
    assert len(listed([root]).files) == 6 + len(names)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_grey_portable_map_needs_no_suffix(mode: str, tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 3, "dog": 3})
    picture(7).convert(mode).save(root / "cat" / "new", format="PPM")
    assert len(scan(root).entries) == 7


def test_a_linked_class_folder_is_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", {"": 3})
    root = fill(tmp_path / "data", {"cat": 3})
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    assert scan(root).classes == ("cat", "dog")


def looped(root: Path) -> None:
    fill(root, {"cat": 3, "dog": 3})
    (root / "cat" / "again").symlink_to(root)


def of_documents(root: Path) -> None:
    (root / "letters").mkdir()
    (root / "letters" / "a.pdf").write_bytes(b"%PDF")


def named_over_two_lines(root: Path) -> None:
    fill(root, {"cat": 3, "a\n'dog\"": 3})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "holds no picture files"),
        (of_documents, r"holds no picture files \(1 others\)"),
        (lambda root: fill(root, {"cat": 5}), "has only the class cat"),
        (lambda root: fill(root, {"unlabelled": 5}), "all pictures in .* are without a label"),
        (lambda root: fill(root, {"cat": 5, "dog": 1}), r"there are fewer of dog \(1\)"),
        (lambda root: fill(root, {"": 5}), "the 5 pictures .* lie in no class folders"),
        (lambda root: fill(root, {"train": 3, "test": 3}), "no class folders in them"),
        (lambda root: fill(root, {"val/a": 3, "test/a": 3}), "but none for training"),
        (lambda root: fill(root, {"train/a": 3, "train/b": 3, "test": 2}), "test lie in no class"),
        (
            lambda root: fill(root, {"train/a": 3, "train/b": 3, "val/a": 1, "dev/a": 1}),
            "several folders for the split 'val': dev, val",
        ),
        (
            lambda root: fill(root, {"set/train/a": 3, "set/test/a": 3, "samples": 1}),
            "the splits test, train lie in .*set. Give that folder",
        ),
        (looped, "again is a symbolic link to a folder that it lies in"),
        (named_over_two_lines, "one class a line in UTF-8, and a"),
    ],
)
def test_what_is_no_data_set_is_one_paragraph(make: object, message: str, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        folder.source_digest(config(tmp_path))
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_one_paragraph(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none does not exist"):
        folder.source_digest(config(tmp_path / "none"))
    with pytest.raises(InputError, match="give it with --data FOLDER"):
        folder.source_digest(config(tmp_path, path=None))
