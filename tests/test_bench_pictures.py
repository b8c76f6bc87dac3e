"""`pipeline bench` on a folder of pictures: the accuracy that `pipeline predict` has on it."""

import json
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.app import exit_code
from pipeline.cli.bench_pictures import read
from pipeline.cli.picture_options import PictureOptions
from targets.bench.result import BenchResult
from targets.bench.result import read as read_document
from targets.bench.session import _write as write_document
from targets.errors import InputError
from targets.images.preprocessing import Preprocessing
from targets.prediction.classifier import MOST_READERS
from targets.prediction.preparation.pictures import OfPictures
from targets.prediction.storing import store
from tests import sound_models, sounds, text_models, texts
from tests.brief import brief
from tests.disk import largest_file
from tests.picture_models import CLASSES, colour_file, delivered, describe, noisy
from tests.test_result import document as result_document


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A command in this process and in the folder `tmp_path`."""
    brief(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def command(*argv: object) -> Done:
        code = exit_code([str(one) for one in argv])
        captured = capfd.readouterr()
        return Done(code=code, out=captured.out, err=captured.err)

    return command


def jpeg(path: Path, colour: str, *, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy(colour, seed=seed)).save(path, "JPEG")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Of six pictures in the test split, four show the colour that their folder names."""
    root = tmp_path / "photos"
    for number, (label, shown) in enumerate(
        [("red", "red"), ("red", "blue"), ("green", "green"), ("green", "green"),
         ("blue", "blue"), ("blue", "red")]
    ):  # fmt: skip
        jpeg(root / "test" / label / f"{number}.jpg", shown, seed=number)
    for label in CLASSES:  # all of them are right
        jpeg(root / "train" / label / "0.jpg", label, seed=7)
    return root


def document(tmp_path: Path) -> BenchResult:
    return read_document(tmp_path / "bench" / "local.json")


def top1(tmp_path: Path) -> dict[str, float | None]:
    return {row.model: row.top1 for row in document(tmp_path).accuracy}


def test_the_top_1_is_that_of_predict_for_each_model_in_its_own_size(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    """A file of a run of 8x8 pixels, and a file from elsewhere of 16x24."""
    delivered(Path("student.onnx"), fit="pad")
    colour_file(Path("foreign.onnx"), dims=("n", 3, "h", "w"), ending="Softmax")
    Path("labels.txt").write_text("\n".join(CLASSES))
    options = ("--scale", "1/127.5", "--offset", "-1", "--size", "16x24", "--labels", "labels.txt")
    done = run(
        *("bench", "student.onnx", "foreign.onnx", "--data", photos, "--tier", "rapid"), *options
    )
    assert done.code == 0, done.err
    assert "The test split of " in done.err
    assert "6 pictures of 3 of the 3 classes of student.onnx" in done.err
    shown = {}
    for model, how in (("student.onnx", ()), ("foreign.onnx", options)):
        predicted = run("predict", model, photos / "test", "--json", *how)
        shown[model] = json.loads(predicted.out)["accuracy"]["top1"]
    assert shown == {"student.onnx": 4 / 6, "foreign.onnx": 4 / 6}
    assert top1(tmp_path) == shown


def test_files_that_cannot_be_read_are_left_out_where_that_is_asked(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    delivered(Path("student.onnx"))
    colour_file(Path("foreign.onnx"), dims=("n", 3, "h", "w"))
    (photos / "test" / "red" / "broken.jpg").write_text("<html></html>")
    options = ("--scale", "1/127.5", "--offset", "-1", "--size", "16x24", "--scores", "logits")
    Path("labels.txt").write_text("\n".join(CLASSES))
    argv = ("bench", "student.onnx", "foreign.onnx", "--data", photos, "--tier", "rapid", *options)
    done = run(*argv, "--labels", "labels.txt", "--skip-bad")
    assert done.code == 0, done.err
    assert "1 of them cannot be read and are left out" in done.err
    assert top1(tmp_path) == {"student.onnx": 4 / 6, "foreign.onnx": 4 / 6}
    shutil.rmtree(photos / "test")
    for number in range(2):
        jpeg(photos / "test" / "red" / f"{number}.jpg", "red").write_text("<html></html>")
    done = run("bench", "student.onnx", "--data", photos, "--skip-bad")
    assert (done.code, "2 of the 2 pictures to measure" in done.err) == (2, True)


def test_the_samples_are_the_inputs_that_a_program_gets(photos: Path, tmp_path: Path) -> None:
    from targets import Classifier

    model, lines = delivered(tmp_path / "student.onnx", fit="pad"), list[str]()
    samples, known = read(photos, [model], PictureOptions(), tmp_path, say=lines.append)
    stored = np.load(samples.path)
    files = sorted((photos / "test").glob("*/*.jpg"))
    assert known[model].samples == samples.path
    np.testing.assert_array_equal(stored, [Classifier(model).prepared(path) for path in files])
    assert samples.labels is not None
    assert [CLASSES[number] for number in samples.labels] == [file.parent.name for file in files]


def test_a_model_that_is_its_own_baseline_is_loaded_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from targets import Classifier

    model, loaded = delivered(tmp_path / "student.onnx"), list[Path]()

    def counted(path: Path, **options: Any) -> Classifier:
        loaded.append(path)
        return Classifier(path, **options)

    monkeypatch.setattr("targets.Classifier", counted)
    read(photos, [model, model], PictureOptions(), tmp_path, say=lambda text: None)
    assert loaded == [model]


def test_without_a_test_split_it_is_the_validation_split_or_everything(
    photos: Path, tmp_path: Path
) -> None:
    model = delivered(tmp_path / "student.onnx")

    def measured(folder: Path) -> tuple[int, str, bool]:
        lines: list[str] = []
        samples, _ = read(folder, [model], PictureOptions(), tmp_path, say=lines.append)
        doubted = lines[0].endswith("pictures that the model was trained on may be among them.")
        return samples.count, lines[0].split(" of ")[0], doubted

    assert measured(photos) == (6, "data      The test split", False)
    (photos / "test").rename(photos / "validation")
    assert measured(photos) == (6, "data      The validation split", False)
    assert measured(photos / "train") == (3, "data      All pictures", True)
    shutil.rmtree(photos / "train")
    assert measured(photos) == (6, "data      The validation split", False)


def test_a_folder_with_a_name_of_two_lines_is_one_line(photos: Path, tmp_path: Path) -> None:
    model, lines = delivered(tmp_path / "student.onnx"), list[str]()
    root = photos.rename(tmp_path / "two\nlines")
    read(root, [model], PictureOptions(), tmp_path, say=lines.append)
    assert r"two\nlines: 6 pictures" in lines[0]


def test_a_table_gives_the_labels_of_a_flat_folder(tmp_path: Path) -> None:
    root, model = tmp_path / "flat", delivered(tmp_path / "student.onnx")
    rows = ["path,label,split"]
    for number, colour in enumerate((*CLASSES, *CLASSES)):
        jpeg(root / f"{number}.jpg", colour, seed=number)
        rows.append(f"{number}.jpg,{colour},{'test' if number > 3 else 'train'}")
    (root / "table.csv").write_text("\n".join(rows))
    samples, _ = read(root, [model], PictureOptions(), tmp_path, say=lambda text: None)
    assert samples.labels is not None
    assert samples.labels.tolist() == [1, 2]


def test_classes_are_matched_by_name_whatever_their_order_and_depth(tmp_path: Path) -> None:
    model = delivered(tmp_path / "student.onnx", classes=("Caf\u00e9", "fruit/apple", "apple"))
    for folder in ("Cafe\u0301", "fruit/apple", "apple/ripe"):
        jpeg(tmp_path / "new" / folder / "a.jpg", "red")
    samples, _ = read(tmp_path / "new", [model], PictureOptions(), tmp_path, say=lambda text: None)
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 2, 1]


MISTAKES: list[tuple[list[str], list[str]]] = [
    (
        ["m.onnx", "--data", "strange"],
        ["m.onnx has no class for the pictures of Red (1; like red?), yellow (2)", "red, green, b"],
    ),
    (["m.onnx", "--data", "empty"], ["empty holds no picture files (0 others)"]),
    (["m.onnx", "--data", "flat"], ["1 pictures in flat lie in no class folders"]),
    (["m.onnx", "--data", "trained"], ["trained: all labelled pictures in it are in the training"]),
    (
        ["m.onnx", "--data", "broken"],
        ["2 of the 3 pictures to measure cannot be read", "red/1.jpg (empty file)",
         "red/2.jpg (not a picture)"],
    ),
    (["foreign.onnx", "--data", "photos"], ["has no sidecar", "Give --scale and --offset"]),
    (
        ["foreign.onnx", "--data", "photos", "--scale", "1"],
        ["foreign.onnx has no class for the pictures of blue (2)", "are 0, 1, 2", "--labels"],
    ),
    (["m.onnx", "--data", "photos", "--scale", "1"], ["--scale is what its sidecar m.onnx.json"]),
    (["m.onnx", "--data", "photos", "--scores", "logits"], ["--scores is what its sidecar m.onnx"]),
    (["m.onnx", "other.onnx", "--data", "photos"], ["other.onnx has the classes a, b, c, and m."]),
    (["m.onnx", "--data", "photos", "--class-offset", "1"], ["matched by their names"]),
    (["m.onnx", "--data", "images.npz", "--fit", "pad"], ["--fit pad: says how pictures are read"]),
    (["m.onnx", "--size", "8"], ["--size 8: says how pictures are read"]),
    (["m.onnx", "--data", "images.npz", "--skip-bad"], ["--skip-bad: says how pictures are read"]),
    (["m.onnx", "--data", "none"], ["none: there is no such file or folder"]),
    (["single.onnx", "--data", "photos", "--scale", "1"], ["number", "Give --scores prob"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "messages"), MISTAKES, ids=lambda value: "-".join(value)[:50])
def test_a_mistake_is_one_paragraph_before_anything_is_measured(
    run: Run, photos: Path, tmp_path: Path, argv: list[str], messages: list[str]
) -> None:
    delivered(Path("m.onnx"))
    colour_file(Path("foreign.onnx"))
    colour_file(Path("single.onnx"), scores=1)
    shutil.copy("m.onnx", "other.onnx")
    describe(Path("other.onnx"), classes=("a", "b", "c"), shape=(8, 8, 3), fit="crop")
    Path("empty").mkdir()
    jpeg(Path("flat/a.jpg"), "red")
    jpeg(Path("trained/train/red/a.jpg"), "red")
    for folder, number in (("Red", 0), ("red", 1), ("yellow", 2), ("yellow", 3)):
        jpeg(Path("strange", folder, f"{number}.jpg"), "red")
    jpeg(Path("broken/red/0.jpg"), "red")
    Path("broken/red/1.jpg").touch()
    Path("broken/red/2.jpg").write_text("<html></html>")
    np.savez("images.npz", images=np.zeros((2, 8, 8, 3), np.uint8))
    done = run("bench", *argv, "--tier", "rapid")
    assert done.code == 2, done.err
    for message in messages:
        assert message in done.err
    assert len([line for line in done.err.splitlines() if "bench     " in line]) == 0
    assert "Traceback" not in done.err
    assert not Path("bench").exists()


@pytest.mark.parametrize("out", ["file", "file/below", "loop"])
def test_a_folder_that_cannot_be_made_is_an_error_before_the_measurement(
    run: Run, photos: Path, out: str
) -> None:
    delivered(Path("m.onnx"))
    Path("file").touch()
    Path("loop").symlink_to("loop")
    done = run("bench", "m.onnx", "--data", photos, "--out", out)
    assert done.code == 2
    assert f"Error: --out {out}: " in done.err
    assert "is no folder. Give another one with --out." in done.err
    assert len(done.err.splitlines()) == 1


def test_a_full_disk_is_an_error_before_any_picture_is_read(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for one of the two forms of six pictures."""
    models = [delivered(tmp_path / "a.onnx"), delivered(tmp_path / "b.onnx", fit="pad")]
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2000))
    with pytest.raises(InputError, match=rf"{tmp_path} is on a full disk: .* need 2,304 bytes"):
        read(photos, models, PictureOptions(), tmp_path / "scratch", say=lambda text: None)
    assert not list((tmp_path / "scratch").iterdir())


def test_results_on_a_full_disk_leave_no_part_of_themselves(tmp_path: Path) -> None:
    with largest_file(100), pytest.raises(InputError, match=r"a.json: cannot be written"):
        write_document(result_document(), tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    """Twenty pictures of 3 MB each pass through."""
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number:02}.png")
        Image.fromarray(np.full((1000, 1000, 3), 7 * number, np.uint8)).save(paths[-1])
    tracemalloc.start()
    assert store(paths, OfPictures(Preprocessing(height=8, width=8)), tmp_path / "stored.npy") == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.load(tmp_path / "stored.npy")[:, 0, 0, 0].tolist() == [7 * n for n in range(20)]
    assert peak < 4 * MOST_READERS * 3_000_000 < 20 * 3_000_000


def test_files_of_sounds_and_texts_are_refused_with_what_measures_them(
    run: Run, tmp_path: Path
) -> None:
    table = texts.write(tmp_path / "q.csv")
    text_model = text_models.delivered(tmp_path / "texts.onnx")
    sound_model = sound_models.delivered(tmp_path / "sounds.onnx")
    sounds.write(tmp_path / "in" / "loud" / "a.wav", sounds.tone(0))
    for model, data in ((text_model, table), (sound_model, tmp_path / "in")):
        done = run("bench", model, "--data", data)
        assert done.code == 2
        assert f"--data {data}: " in done.err
        assert "`pipeline predict` gives" in done.err
