"""`pipeline predict`: what a person types and reads."""

import csv
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.predict import _write as write_csv
from pipeline.reporting.tables import predictions
from targets import Classifier
from targets.errors import InputError
from targets.evaluation.metrics import wilson_interval
from targets.prediction.classifier import MOST_READERS
from targets.prediction.files import Folders, Found, listed, samples
from targets.prediction.session import predict_all
from tests.disk import largest_file
from tests.picture_models import CLASSES, colour_file, delivered, noisy, photo
from tests.predicting import Predict, command  # noqa: F401 # the fixture `predict`


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return delivered(tmp_path / "student.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures a class; of green one is blue, and of red two are."""
    for colour in CLASSES:
        for number in range(3):
            is_other = (colour, number) in (("green", 1), ("red", 0), ("red", 2))
            shown = "blue" if is_other else colour
            photo(tmp_path / "photos" / colour / f"{number}.png", shown, seed=number)
    return tmp_path / "photos"


def test_a_row_per_picture_shows_its_classes(predict: Predict, model: Path, tmp_path: Path) -> None:
    done = predict(model, photo(tmp_path / "a.png", "blue"), photo(tmp_path / "b.jpg", "red"))
    assert done.code == 0
    header, *rows = done.rows
    assert header == ["picture", "class", "%", "then"]
    assert [(Path(row[0]).name, row[1]) for row in rows] == [("a.png", "blue"), ("b.jpg", "red")]
    assert float(rows[0][2]) > 99
    assert rows[0][3:7:2] == ["green", "red"]
    assert "accuracy" not in done.out  # no folder names a class


def test_the_speed_is_on_stderr_with_its_parts(predict: Predict, model: Path, folder: Path) -> None:
    done = predict(model, folder)
    assert "9 pictures in " in done.err
    assert "/s; median of one: " in done.err
    assert " to read and resize, " in done.err
    assert " in onnxruntime" in done.err


def test_wrong_ones_come_first_with_the_accuracy_and_the_confusions(
    predict: Predict, model: Path, folder: Path
) -> None:
    done = predict(model, folder, "--top", 1)
    header, *rows = done.rows
    assert header == ["picture", "class", "%", "label", "verdict"]
    assert [row[-1] for row in rows[:9]] == ["wrong"] * 3 + ["right"] * 6
    shares = [float(row[2]) for row in rows[:3]]
    assert shares == sorted(shares, reverse=True)
    low, high = wilson_interval(6 / 9, 9)
    assert f"accuracy 66.67 % ({100 * low:.2f} to {100 * high:.2f}): 6 of 9 pictures" in done.out
    assert "most confused (folder → prediction): red → blue 2, green → blue 1" in done.out
    assert done.code == 0


def test_balanced_accuracy_stands_beside_the_accuracy_of_uneven_folders(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    """Four red pictures are right, and one of the two blue ones."""
    for number in range(4):
        photo(tmp_path / "in" / "red" / f"{number}.png", "red")
    even = predict(model, tmp_path / "in" / "red")
    photo(tmp_path / "in" / "blue" / "0.png", "blue")
    photo(tmp_path / "in" / "blue" / "1.png", "red")
    done = predict(model, tmp_path / "in")
    assert "balanced accuracy 75.00 %, macro F1 77.78 %" in done.out
    assert "balanced accuracy" not in even.out
    document = json.loads(predict(model, tmp_path / "in", "--json").out)
    assert document["accuracy"]["balanced_accuracy"] == 0.75
    assert document["accuracy"]["macro_f1"] == pytest.approx((8 / 9 + 2 / 3) / 2)


def test_only_wrong_ones_are_shown_if_asked_and_all_are_counted(
    predict: Predict, model: Path, folder: Path
) -> None:
    done = predict(model, folder, "--wrong-only", "--json")
    document = json.loads(done.out)
    assert [one["right"] for one in document["pictures"]] == [False] * 3
    assert document["accuracy"]["pictures"] == 9


def test_only_wrong_ones_need_folders_that_name_classes(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    done = predict(model, photo(tmp_path / "new" / "a.png", "red"), "--wrong-only")
    assert done.code == 2
    assert "has the name of a class of the model (red, green, blue), so" in done.err
    delivered(model, classes=("\x1b[1m", "b", "c"))
    done = predict(model, tmp_path / "new" / "a.png", "--wrong-only")
    assert r"of the model (\x1b[1m, b, c), so" in done.err


def test_json_is_one_document_with_the_numbers_of_the_python_call(
    predict: Predict, model: Path, folder: Path
) -> None:
    done = predict(model, folder / "blue", "--json", "--top", 2)
    document = json.loads(done.out)
    assert document["schema"] == "predictions/1"
    assert document["classes"] == list(CLASSES)
    first = document["pictures"][0]
    wanted = Classifier(model).predict(first["file"], top=2)
    assert first["label"] == "blue"
    assert first["top"] == [
        {"class": s.name, "index": s.index, "probability": s.probability, "logit": s.logit}
        for s in wanted.top
    ]
    assert document["accuracy"]["top1"] == 1.0
    assert document["unreadable"] == []
    assert document["median_inference_ns"] > 0


def test_csv_has_a_row_per_file_in_order_whatever_its_name(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    name = 'a "quoted", name\nof two lines.png'
    photo(tmp_path / "in" / name, "green")
    photo(tmp_path / "in" / "b.png", "red")
    (tmp_path / "in" / "c.jpg").touch()
    done = predict(model, tmp_path / "in", "--csv", tmp_path / "out.csv", "--top", 2)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["file"]).name for row in rows] == [name, "b.png", "c.jpg"]
    assert [row["class_1"] for row in rows] == ["green", "red", ""]
    assert rows[2]["error"] == "empty file"
    assert {"label", "probability_1", "class_2", "probability_2"} < rows[0].keys()
    assert "of two lines.png" in done.out
    assert all(len(line) < 300 for line in done.out.splitlines())
    assert r"name\nof two lines.png" in done.out  # one row of the table is one line
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.csv"]


def test_a_csv_that_cannot_be_written_loses_no_other_result(
    predict: Predict, model: Path, folder: Path
) -> None:
    (folder / "page.jpg").write_text("<html></html>")
    too_long = folder / ("x" * 250 + ".csv")
    done = predict(model, folder, "--csv", too_long)
    assert done.code == 2
    assert "6 of 9 pictures" in done.out
    assert "page.jpg: not a picture" in done.err
    assert "x.csv: cannot be written: File name too long. Give another file with --csv." in done.err


def test_a_csv_on_a_full_disk_leaves_no_part_of_itself(tmp_path: Path) -> None:
    with largest_file(1000), pytest.raises(InputError, match=r"out.csv: cannot be written"):
        write_csv(tmp_path / "out.csv", iter(["row\n"] * 1000))
    assert not list(tmp_path.iterdir())


def test_unreadable_files_are_listed_with_reasons_and_the_rest_is_complete(
    predict: Predict, model: Path, folder: Path
) -> None:
    whole = (folder / "red" / "1.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "page.jpg").write_text("<html></html>")
    done = predict(model, folder, "--json")
    assert done.code == 2
    document = json.loads(done.out)
    assert len(document["pictures"]) == 9
    assert {Path(one["file"]).name for one in document["unreadable"]} == {"cut.png", "page.jpg"}
    assert "2 of 11 files cannot be read" in done.err
    assert "the results of the others are complete" in done.err
    assert "page.jpg: not a picture" in done.err


def test_folders_are_searched_without_hidden_files_and_what_is_no_picture(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    root = tmp_path / "new"
    photo(root / "a.png", "red")
    photo(root / "deep" / "er" / "b.png", "red")
    photo(root / ".hidden.png", "red")
    photo(root / ".trash" / "c.png", "red")
    (root / "Thumbs.db").write_text("windows")
    (root / "notes.txt").write_text("notes")
    (photo(root / "named.png", "red")).rename(root / "a picture without a suffix")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.png")  # reading from it would never end
    os.mkfifo(root / "socket")
    done = predict(model, root, "--json")
    found = [Path(one["file"]).name for one in json.loads(done.out)["pictures"]]
    assert found == ["a picture without a suffix", "a.png", "b.png"]
    assert "other files in the folders, skipped: 3" in done.err
    assert done.code == 0


def test_more_rows_than_a_person_reads_are_counted(
    predict: Predict, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "MOST_ROWS", 4)
    done = predict(model, folder)
    assert done.out.splitlines()[5] == "5 more: --csv FILE and --json have all."
    assert "6 of 9 pictures" in done.out
    assert len(json.loads(predict(model, folder, "--json").out)["pictures"]) == 9


def test_a_foreign_file_is_described_by_options(predict: Predict, tmp_path: Path) -> None:
    path = colour_file(tmp_path / "foreign.onnx", dims=("n", 3, "h", "w"), ending="Softmax")
    (tmp_path / "labels.txt").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    options = ("--scale", "1/127.5", "--offset", "-1", "--size", "16x24", "--fit", "pad")
    done = predict(
        path, photo(tmp_path / "a.png", "green"), *options, "--labels", tmp_path / "labels.txt",
        "--scores", "probabilities", "--json",
    )  # fmt: skip
    document = json.loads(done.out)
    assert done.code == 0
    assert document["pictures"][0]["top"][0]["class"] == "grün"
    assert document["preprocessing"] == {"height": 16, "width": 24, "channels": 3, "fit": "pad"}
    call = Classifier(
        path, scale=1 / 127.5, offset=-1, size=(16, 24), fit="pad", output="probabilities"
    )
    logit = float(call.predict(tmp_path / "a.png").logits[1])
    assert document["pictures"][0]["top"][0]["logit"] == logit


def test_output_is_another_name_of_scores(predict: Predict, tmp_path: Path) -> None:
    one = colour_file(tmp_path / "one.onnx", scores=1), photo(tmp_path / "a.png", "red")
    words = "logits", "probabilities"
    outputs = [
        [predict(*one, "--scale", "1", name, word, "--json").out for word in words]
        for name in ("--scores", "--output")
    ]
    pictures = [[json.loads(text)["pictures"] for text in of_name] for of_name in outputs]
    assert pictures[0] == pictures[1]
    assert pictures[0][0] != pictures[0][1]


MISTAKES: list[tuple[list[str], str]] = [
    (["no.onnx", "a.png"], "model no.onnx: there is no such file"),
    (["photos", "a.png"], "its name must end in .tflite or .onnx"),
    (["m.onnx", "missing.png"], "missing.png: there is no such file or folder"),
    (["m.onnx", "empty"], "empty: no pictures there"),
    (["cut.onnx", "a.png", "--scale", "1"], "cut.onnx: onnxruntime cannot load it"),
    (["m.onnx", "a.png", "--size", "8x"], "--size 8x: is a whole number above 0, or height and"),
    (["m.onnx", "a.png", "--scale", "1/0"], "--scale 1/0: is a number or a fraction"),
    (["m.onnx", "a.png", "--size", "8"], "--size is what its sidecar m.onnx.json says"),
    (["m.onnx", "a.png", "--scores", "logits"], "--scores is what its sidecar m.onnx.json says"),
    (["foreign.onnx", "a.png"], "Give --scale and --offset"),
    (["m.onnx", "a.png", "--labels", "no.txt"], "--labels no.txt: cannot be read"),
    (["m.onnx", "a.png", "--labels", "two.txt"], "gives 3 scores, and 2 names of classes"),
    (["m.onnx", "a.png", "--csv", "no/out.csv"], "--csv no/out.csv: is no file in an existing"),
    (["m.onnx"], "no FILES are given. Name those that the model takes"),
    (["copied.onnx", "a.png"], "copied.onnx.json: describes another file"),
]


@pytest.mark.parametrize(("argv", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_paragraph_and_exit_2(
    predict: Predict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    delivered(Path("m.onnx"))
    Path("cut.onnx").write_bytes(Path("m.onnx").read_bytes()[:100])
    colour_file(Path("foreign.onnx"))
    colour_file(Path("copied.onnx"))
    Path("copied.onnx.json").write_text(Path("m.onnx.json").read_text())
    Path("two.txt").write_text("a\nb\n")
    Path("empty").mkdir()
    photo(Path("a.png"), "red")
    done = predict(*argv)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


def test_memory_does_not_grow_with_the_pictures(model: Path, tmp_path: Path) -> None:
    """Twenty pictures of 3 MB each pass through; their results take kilobytes."""
    (tmp_path / "large").mkdir()
    for number in range(20):
        flat = np.full((1000, 1000, 3), 7 * number, np.uint8)
        Image.fromarray(flat).save(tmp_path / "large" / f"{number:02}.png")
    classifier, listing = Classifier(model), listed([tmp_path / "large"])
    tracemalloc.start()
    results = predict_all(classifier, samples(listing, CLASSES), top=3)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(results.classified) == 20
    assert left < 100_000
    assert peak < 4 * MOST_READERS * 3_000_000 < 20 * 3_000_000


CASES: list[tuple[str, str, int | None]] = [
    ("photos", "test/red/a.jpg", 0),
    ("photos", "fruit/apple/a.jpg", 3),
    ("photos", "apple/a.jpg", 4),
    ("photos", "test/apple/ripe/a.jpg", 4),  # below a folder that names a class
    ("photos/fruit/apple", "a.jpg", 3),
    ("photos/apple", "a.jpg", 4),
    ("photos/other", "a.jpg", None),
    ("photos", "Red/a.jpg", None),
    ("red/photos", "a.jpg", None),  # the user did not name that folder
    ("photos", "fruit/a.jpg", None),
]


@pytest.mark.parametrize(("named", "file", "label"), CASES)
def test_the_nearest_folder_names_the_class(named: str, file: str, label: int | None) -> None:
    root = Path("/data", named)
    folders = Folders(("red", "green", "blue", "fruit/apple", "apple"))
    found = Found(path=root / file, below=len(root.parts))
    assert folders.class_of(found) == label


def test_a_file_s_own_folder_names_its_class(tmp_path: Path) -> None:
    path = photo(tmp_path / "red" / "a.png", "red")
    (found,) = listed([path]).files
    assert Folders(CLASSES).class_of(found) == 0


def test_an_accent_is_the_same_letter_in_both_of_its_forms() -> None:
    found = Found(path=Path("/data/Cafe\u0301/a.jpg"), below=2)
    assert Folders(("Caf\u00e9", "Tea")).class_of(found) == 0


def test_a_name_that_is_no_utf_8_is_shown_and_written(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    stored = photo(tmp_path / "a.png", "red").read_bytes()
    (folder / os.fsdecode(b"\xff.png")).write_bytes(stored)
    done = predict(model, folder, "--csv", tmp_path / "out.csv")
    assert done.code == 0
    assert r"\udcff.png" in done.out
    assert b"/\xff.png," in (tmp_path / "out.csv").read_bytes()


def only(document: dict[str, Any]) -> dict[str, Any]:
    (picture,) = document["pictures"]
    return dict(picture)


def test_a_picture_that_is_turned_by_exif_is_classified_upright(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    pixels = np.concatenate([noisy("red"), noisy("green"), noisy("red")], axis=1)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels, 1)).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "upright.png")
    tops = [
        only(json.loads(predict(model, tmp_path / f"{name}.png", "--json").out))["top"]
        for name in ("turned", "upright")
    ]
    assert tops[0] == tops[1]
