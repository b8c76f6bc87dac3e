"""`pipeline predict` and `Classifier` for a model of arrays."""

import json
from pathlib import Path

import numpy as np
import pytest

from targets import Classifier
from targets.errors import InputError
from tests.array_models import SHAPE, delivered
from tests.arrays import NAMES, series, write
from tests.picture_models import photo
from tests.predicting import Predict, command  # noqa: F401 # the fixture `predict`

VALUES, LABELS = series().values()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return delivered(tmp_path / "student.onnx")


def test_one_sample_is_the_same_in_every_form(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.npy"
    np.save(path, VALUES[1])
    classifier = Classifier(model)
    forms = (path, str(path), path.read_bytes(), VALUES[1], VALUES[1].astype("f4"))
    assert len({classifier.predict(form).logits.tobytes() for form in forms}) == 1
    assert classifier.predict(path).name == "aside"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.zeros((3, 12)), r"a sample \(ndarray\): .* it is float64 \[3, 12\], and must be"),
        (np.array([["a"] * 3] * 12), r"it is <U1 \[12, 3\], and must be numbers \[12, 3\]"),
        (np.where(np.eye(12, 3), np.nan, 0), r"its value at \[0, 0\] is nan, and 2 more are not"),
        (np.full(SHAPE, 1e300), r"its value at \[0, 0\] is 1e\+300"),
        (b"no array", "it is no .npy file of numbers"),
        ("nowhere.npy", "nowhere.npy: cannot be read as a sample: No such file"),
    ],
)
def test_what_is_no_sample_is_refused(model: Path, item: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Classifier(model).predict(item)  # type: ignore[arg-type]


def test_an_archive_with_labels_has_an_accuracy(
    model: Path, tmp_path: Path, predict: Predict
) -> None:
    file = write(tmp_path / "a.npz", labels=np.array([*LABELS[:-1], 0]), classes=NAMES)
    done = predict(model, file, "--json")
    found = json.loads(done.out)
    assert (done.code, found["kind"], found["input"]["shape"]) == (0, "array", [12, 3])
    wanted = Classifier(model)
    right = sum(
        wanted.predict(one).index == label for one, label in zip(VALUES, LABELS, strict=True)
    )
    assert found["accuracy"]["right"] == right - 1 > 50
    assert found["samples"][0]["file"] == str(file)
    assert found["samples"][0]["row"] == 59
    assert not found["samples"][0]["right"]


def test_parts_of_a_file_are_all_shown_with_a_note(
    model: Path, tmp_path: Path, predict: Predict
) -> None:
    path = tmp_path / "parts.npz"
    names = np.array([*NAMES, "down"])[np.arange(60) % 4]
    np.savez(path, x_train=VALUES[:40], y_train=names[:40], x_test=VALUES[40:], y_test=names[40:])
    done = predict(model, path, "--csv", tmp_path / "out.csv")
    assert done.code == 0
    assert f"{path} has splits, of which all are shown" in done.err
    assert "labels that are no class of the model, and not counted: down 15" in done.err
    assert "of 45 samples with a label that is a class" in done.out
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].startswith("file,row,label,class_1,")
    assert lines[3].startswith(f"{path},2,up,up,")
    assert len(lines) == 61


def test_what_cannot_be_read_is_listed_and_the_rest_is_complete(
    model: Path, tmp_path: Path, predict: Predict
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    values = VALUES[:4].copy()
    values[2, 3, 1] = np.nan
    np.save(folder / "many.npy", values)
    np.save(folder / "one.npy", VALUES[0])
    np.save(folder / "other.npy", VALUES[0].T)
    (folder / "torn.npy").write_bytes(b"\x93NUMPY\x01")
    done = predict(model, folder)
    assert done.code == 2
    assert "Error: 3 of 7 samples cannot be read" in done.err
    assert f"{folder / 'many.npy'}[2]: its value at [3, 1] is nan" in done.err
    assert f"{folder / 'other.npy'}: it is float64 [3, 12], and must be numbers [12, 3]" in done.err
    assert f"{folder / 'torn.npy'}: it is no .npy file of numbers" in done.err
    assert len(done.rows) == 5


def test_files_of_other_kinds_are_refused(model: Path, tmp_path: Path, predict: Predict) -> None:
    done = predict(model, photo(tmp_path / "a.png", "red"))
    assert done.code == 2
    assert "holds pictures, and the model takes samples. Give .npy or .npz files" in done.err
    np.savez(tmp_path / "b.npz", VALUES)
    done = predict(model, tmp_path / "b.npz")
    assert done.code == 2
    assert "the model takes values [samples, 12, 3], and the file holds arr_0 float64" in done.err
