"""One class under two names."""

from collections import Counter
from pathlib import Path

from pipeline.datasets import folder
from pipeline.datasets.files.inventory import Inventory
from tests.folders import config, fill


def scan(root: Path, **changes: object) -> Inventory:
    return folder.inventory_of(config(root, **changes))


def labels(inventory: Inventory) -> Counter[str | None]:
    return Counter(entry.label for entry in inventory.entries)


def test_a_class_that_lies_elsewhere_in_one_split_is_the_same_class(tmp_path: Path) -> None:
    root = fill(
        tmp_path,
        {"train/Veg/Cap": 3, "train/Milk": 3, "test/Veg/Mushroom/Cap": 2, "test/Milk": 1},
    )
    inventory = scan(root)
    assert inventory.classes == ("Milk", "Veg/Cap")
    assert labels(inventory)["Veg/Cap"] == 5
    assert "Veg/Mushroom/Cap counts as Veg/Cap" in " ".join(inventory.notes)


def test_two_classes_of_one_split_with_the_same_last_folder_stay_two(tmp_path: Path) -> None:
    root = fill(
        tmp_path,
        {"train/Red/Apple": 3, "train/Milk": 3, "test/Red/Apple": 1, "test/Green/Apple": 2},
    )
    assert scan(root).classes == ("Green/Apple", "Milk", "Red/Apple")


def test_without_splits_equal_last_folders_are_classes_of_their_own(tmp_path: Path) -> None:
    root = fill(tmp_path, {"Red/Apple": 4, "Green/Apple": 4})
    assert scan(root).classes == ("Green/Apple", "Red/Apple")


def test_labels_that_differ_by_case_or_space_are_one_class_only_if_asked(tmp_path: Path) -> None:
    root = fill(tmp_path, {"T-Shirt": 5, "t shirt": 4, "Hat": 4})
    assert scan(root).classes == ("Hat", "t shirt", "T-Shirt")
    merged = scan(root, merge_labels=True)
    assert merged.classes == ("Hat", "T-Shirt")
    assert labels(merged)["T-Shirt"] == 9
    assert "t shirt counts as T-Shirt" in " ".join(merged.notes)
