"""A table of paths and labels in place of class folders."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet
import pytest

from pipeline.datasets import folder
from pipeline.datasets.splits import Split
from targets.errors import InputError
from tests.folders import config, fill

NAMES = [f"{number:04d}" for number in range(24)]


def labels(number: int) -> str:
    return ("Dress", "Hat")[number % 2]


def table(root: Path, header: str, lines: list[str], name: str = "list.csv") -> Path:
    (root / name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    return fill(tmp_path / "clothes", {"images": 24})


def test_an_obvious_table_gives_the_labels_of_a_flat_folder(flat: Path) -> None:
    lines = [f"{name},x,{labels(at)}" for at, name in enumerate(NAMES[:-1])]
    inventory = folder.inventory_of(config(table(flat, "Image,sender_id,Label", lines)))
    assert inventory.classes == ("Dress", "Hat")
    assert {(entry.path, entry.label) for entry in inventory.entries} == {
        (f"images/{name}.png", labels(at)) for at, name in enumerate(NAMES[:-1])
    }
    assert inventory.notes == (
        "list.csv gives the labels.",
        "1 pictures are not in list.csv and are left out.",
    )
    assert sum(len(folder.load(config(flat))[split]) for split in Split) == 23


def test_a_table_that_only_describes_class_folders_is_not_read(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 3, "dog": 3})
    table(root, "path,label", ["cat/0000.png,dog"])
    inventory = folder.inventory_of(config(root))
    assert inventory.classes == ("cat", "dog")
    assert inventory.notes == ("list.csv is not read, as there are class folders.",)


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ";"), ("a.tsv", "\t"), ("b.csv", ",")])
def test_a_table_gives_the_splits(name: str, mark: str, flat: Path) -> None:
    parts = ["train"] * 12 + ["Valid"] * 6 + ["test"] * 6
    lines = [mark.join([f"images/{n}.png", labels(i), parts[i]]) for i, n in enumerate(NAMES)]
    data = folder.load(config(table(flat, mark.join(["file", "class", "set"]), lines, name)))
    assert [len(data[split]) for split in Split] == [12, 6, 6]


@pytest.mark.parametrize("blank", ["\n", " \n\n", " ; \n"])
def test_blank_lines_before_the_names_of_the_columns_are_skipped(blank: str, flat: Path) -> None:
    lines = [f"images/{name}.png;{labels(at)}" for at, name in enumerate(NAMES)]
    inventory = folder.inventory_of(config(table(flat, f"{blank}file;class", [*lines, blank])))
    assert len(inventory.entries) == len(NAMES)


def test_columns_are_named_in_the_recipe(flat: Path) -> None:
    lines = [f"no,{name},{labels(at)}" for at, name in enumerate(NAMES)]
    table(flat, "label,which,kind", lines, "a.txt")
    cfg = config(flat, manifest="a.txt", path_column="which", label_column="kind")
    assert folder.inventory_of(cfg).classes == ("Dress", "Hat")


def test_no_group_is_in_two_splits(flat: Path) -> None:
    lines = [f"{name},{labels(at)},{at // 2 % 8}" for at, name in enumerate(NAMES)]
    cfg = config(table(flat, "path,label,group", lines))
    groups = {entry.path: entry.group for entry in folder.inventory_of(cfg).entries}
    parts: dict[str, set[str | None]] = {split: set() for split in Split}
    for record in folder.records(cfg):
        parts[record.split].add(groups[record.path])
    assert sum(map(len, parts.values())) == 8
    assert all(parts.values())


def test_a_class_of_few_pictures_is_split_by_group_without_a_warning(flat: Path) -> None:
    lines = [f"{name},{'Hat' if at < 4 else 'Dress'},{at}" for at, name in enumerate(NAMES)]
    data = folder.load(config(table(flat, "path,label,group", lines)))
    assert all(len(data[split]) for split in Split)


LINES = [f"{name},{labels(at)},{'train' if at < 12 else 'test'}" for at, name in enumerate(NAMES)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("none.png,Hat,train", "line 26: none.png is missing"),
        ("images/0001.jpg,Hat,train", r"0001.jpg is missing \(there is images/0001.png\)"),
        ("/etc/passwd,Hat,train", "line 26: /etc/passwd is absolute"),
        ("../0001,Hat,train", "line 26: ../0001 leads out of"),
        ("0000,Hat,train", "images/0000.png has two labels: Dress and Hat"),
        ("0000,Dress,test", "images/0000.png has two splits: train and test"),
        ("0000,,train", "images/0000.png has no label"),
        (",Hat,train", "line 26: no path"),
        ("./,Hat,train", "line 26: ./ is a folder"),
        ("images,Hat,train", "line 26: images is a folder"),
        ("0000,Hat,fold3", "unknown splits in the column 'split': fold3"),
        ("0000,Hat", "line 26 has 2 cells, and not 3"),
        ("\n\nnone.png,Hat,train", "line 28: none.png is missing"),
        ("x" * 300 + ",Hat,train", "line 26: xxx.* is no path: File name too long"),
        ('0000,"Hat', "cannot be read as a table"),
        ('0000,"H\nat",train', "two labels"),
    ],
)
def test_wrong_lines_are_one_paragraph(line: str, message: str, flat: Path) -> None:
    table(flat, "path,label,split", [*LINES, line])
    with pytest.raises(InputError, match=message) as error:
        folder.source_digest(config(flat, manifest="list.csv"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_column": "kind"}, r"no column 'kind' \(dataset.label_column\)"),
        ({"manifest": "other.csv"}, "other.csv cannot be read as a table: .*No such file"),
    ],
)
def test_a_wrong_name_in_the_recipe_is_one_paragraph(
    changes: dict[str, str], message: str, flat: Path
) -> None:
    table(flat, "path,label,split", LINES)
    with pytest.raises(InputError, match=message):
        folder.source_digest(config(flat, **{"manifest": "list.csv", **changes}))


def test_a_table_without_labels_lists_its_columns(flat: Path) -> None:
    table(flat, "path,colour", ["0000,red"])
    with pytest.raises(InputError, match="hold the label; it has: path, colour"):
        folder.source_digest(config(flat, manifest="list.csv"))


def test_a_pipe_in_a_table_is_a_wrong_line(flat: Path) -> None:
    os.mkfifo(flat / "pipe.png")
    table(flat, "path,label,split", [*LINES, "pipe.png,Hat,train"])
    with pytest.raises(InputError, match=r"line 26: pipe\.png is not a regular file"):
        folder.source_digest(config(flat, manifest="list.csv"))


def test_two_columns_of_one_name_are_one_paragraph(flat: Path) -> None:
    table(flat, "path,label,label,,", ["0000,Hat,Dress,,"])
    with pytest.raises(InputError, match="several columns of one name: label"):
        folder.source_digest(config(flat, manifest="list.csv"))


def test_two_tables_need_a_name(flat: Path) -> None:
    for name in ("a.csv", "b.csv"):
        table(flat, "path,label,split", LINES, name)
    with pytest.raises(InputError, match=r"several tables .*: a.csv, b.csv"):
        folder.source_digest(config(flat))


def test_a_name_of_two_files_needs_its_folder(flat: Path) -> None:
    fill(flat, {"more": 1})
    table(flat, "path,label,split", LINES)
    with pytest.raises(InputError, match=r"0000 can be images/0000.png, more/0000.png"):
        folder.source_digest(config(flat, manifest="list.csv"))


def test_parquet_without_its_library_names_the_package(
    flat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (flat / "list.parquet").write_bytes(b"PAR1")
    for manifest in ("list.parquet", None):
        with pytest.raises(InputError, match=r"list.parquet needs .* 'edge-distill\[parquet\]'"):
            folder.source_digest(config(flat, manifest=manifest))


def test_a_parquet_table_gives_the_same_data_set_as_a_csv_table(flat: Path) -> None:
    """Numbers as labels, groups in a dictionary, and a cell without a value."""
    rows = [(name, at % 3, "a" if at < 4 else None) for at, name in enumerate(NAMES)]
    lines = [f"{name},{label},{group or ''}" for name, label, group in rows]
    table(flat, "path,label,group", lines)
    path, label, group = (pyarrow.array(column) for column in zip(*rows, strict=True))
    columns = {"path": path, "label": label, "group": group.dictionary_encode()}
    pyarrow.parquet.write_table(pyarrow.table(columns), flat / "list.parquet")
    csv, parquet = (config(flat, manifest=f"list.{kind}") for kind in ("csv", "parquet"))
    entries = folder.inventory_of(parquet).entries
    assert entries == folder.inventory_of(csv).entries
    assert {entry.label for entry in entries} == {"0", "1", "2"}
    read, given = folder.load(parquet), folder.load(csv)
    for split in Split:
        np.testing.assert_array_equal(read[split].raw, given[split].raw)
        np.testing.assert_array_equal(read[split].labels, given[split].labels)


def test_a_parquet_table_is_found_without_being_named(flat: Path) -> None:
    path = [f"images/{name}.png" for name in NAMES]
    columns = {"image": path, "class": [labels(at) for at in range(len(NAMES))]}
    pyarrow.parquet.write_table(pyarrow.table(columns), flat / "all.parquet")
    inventory = folder.inventory_of(config(flat))
    assert inventory.classes == ("Dress", "Hat")
    assert inventory.notes == ("all.parquet gives the labels.",)


def test_a_damaged_parquet_table_is_an_error(flat: Path) -> None:
    (flat / "list.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"list.parquet cannot be read as a table"):
        folder.source_digest(config(flat, manifest="list.parquet"))


def test_only_the_columns_of_a_parquet_table_are_read_to_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = SimpleNamespace(read_schema=lambda path: SimpleNamespace(names=["path", "label"]))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", library)
    root = fill(tmp_path, {"cat": 3, "dog": 3})
    (root / "list.parquet").write_bytes(b"PAR1")
    notes = folder.inventory_of(config(root)).notes
    assert notes == ("list.parquet is not read, as there are class folders.",)
