"""`predict.py` of a bundle: alone, and with the bytes that `targets.Classifier` gives a model."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from targets import Classifier
from targets.bundle import predict
from targets.bundle.schema import Bundle
from targets.formats import sidecar
from targets.formats.confidence import Confidence
from targets.images.preprocessing import Fit, Preprocessing
from targets.images.reading import Channels, pixels
from tests.receiver import ALONE, alone, packed, top, unpacked

SCRIPT = Path(predict.__file__)


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundle")
    return unpacked(packed(run, place / "out"), place / "unpacked")


def contents_of(folder: Path) -> Bundle:
    return Bundle.model_validate_json((folder / "bundle.json").read_bytes())


def test_it_has_fewer_than_100_lines() -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) < 100


def test_every_model_gives_every_sample_the_class_of_the_report(bundle: Path) -> None:
    found = contents_of(bundle)
    files = [sample.file for sample in found.samples]
    for model in found.models:
        names = [rows[0]["name"] for rows in top(bundle, "--model", model.file, *files)]
        assert names == [sample.predicted[model.file] for sample in found.samples]


def test_it_gives_a_photo_the_logits_of_the_classifier(bundle: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (33, 51, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise).save(photo, exif=exif)
    recommended = contents_of(bundle).recommended
    expected = Classifier(bundle / recommended).predict(photo, top=3)
    (rows,) = top(bundle, str(photo), "--top", "3")
    assert [row["name"] for row in rows] == [score.name for score in expected.top]
    assert [row["logit"] for row in rows] == [score.logit for score in expected.top]
    assert [row["probability"] for row in rows] == [score.probability for score in expected.top]


@pytest.mark.parametrize(
    ("threshold", "class_thresholds"),
    [
        (None, ()),
        (0.4, ()),
        (0.99, ()),
        (0.99, (0.1, 0.1, 0.1)),
        (None, (None, 0.1, 0.99)),
        (None, (0.0, None, None)),
    ],
)
def test_it_is_as_sure_as_the_classifier(
    bundle: Path,
    tmp_path: Path,
    threshold: float | None,
    class_thresholds: tuple[float | None, ...],
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    model = folder / contents_of(folder).recommended
    about = sidecar.path_of(model)
    confidence = Confidence(
        temperature=2.5, precision=0.9, level=0.95, validation_samples=99,
        threshold=threshold, class_thresholds=class_thresholds,
    )  # fmt: skip
    content = {**json.loads(about.read_text()), "confidence": confidence.model_dump(mode="json")}
    about.write_text(json.dumps(content))
    files = [str(folder / sample.file) for sample in contents_of(folder).samples]
    expected = [Classifier(model).predict(file, top=3) for file in files]
    done = alone(folder, *files, "--top", "3", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["unknown"] for row in rows] == [bool(one.unknown) for one in expected]
    for row, one in zip(rows, expected, strict=True):
        shares = [score["probability"] for score in row["top"]]
        assert shares == [score.probability for score in one.top]


def test_a_folder_is_read_and_the_classes_are_printed(bundle: Path) -> None:
    done = alone(bundle, "samples")
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert len(others) == 15
    assert first.startswith("samples/00.png: across 0.")


def test_other_files_of_a_folder_are_not_read(bundle: Path, tmp_path: Path) -> None:
    shutil.copyfile(bundle / "samples" / "00.png", tmp_path / "photo.PNG")
    (tmp_path / "thumbs.db").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    done = alone(bundle, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(": ")[0] for line in done.stdout.splitlines()] == [
        str(tmp_path / "photo.PNG")
    ]


def test_a_missing_runtime_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "LITE", ("not_there.interpreter", "nor_there.interpreter"))
    with pytest.raises(ModuleNotFoundError, match="'not_there'"):
        predict.opened(bundle / "models" / "student.int8.tflite")


def test_names_of_classes_need_no_utf_8_locale(bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    for path in (folder / "bundle.json", *(folder / "models").glob("*.json")):
        path.write_text(path.read_text("utf-8").replace("across", "Ä\u0141"), "utf-8")
    script = f"""
import pathlib
text = pathlib.Path.read_text
def in_ascii(path, encoding="ascii"):
    return text(path, encoding)
pathlib.Path.read_text = in_ascii
{ALONE}
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, "predict.py", "samples/00.png", "--json"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["top"][0]["name"] == "Ä\u0141", done.stderr


def test_inputs_that_are_no_pictures_are_read_as_they_are(run: Path, tmp_path: Path) -> None:
    """A run of arrays keeps .npy files; here the same inputs as such."""
    copy = shutil.copytree(run, tmp_path / "tiny")
    listing = copy / "samples" / "samples.json"
    listing.write_text(listing.read_text().replace(".png", ".npy"))
    for path in (copy / "samples").glob("*.png"):
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)).reshape(12, 12, 1))
        path.unlink()
    folder = unpacked(packed(copy, tmp_path / "out"), tmp_path / "unpacked")
    found = contents_of(folder)
    names = [rows[0]["name"] for rows in top(folder, "samples")]
    assert names == [sample.predicted[found.recommended] for sample in found.samples]


def awkward() -> dict[str, Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 4)).astype(np.uint8)
    rgb = Image.fromarray(noise[..., :3])
    turned = rgb.copy()
    turned.getexif()[0x0112] = 5
    deep = Image.fromarray((noise[..., 0].astype(np.uint16) << 8) + noise[..., 1])
    deep.getexif()[0x0112] = 8
    palette = rgb.quantize(16)
    palette.info["transparency"] = 3
    grey = Image.fromarray(noise[..., 0])
    clear = grey.copy()
    clear.info["transparency"] = 7
    return {
        "rgb": rgb,
        "turned": turned,
        "deep": deep,
        "deeper": Image.fromarray(noise[..., 0].astype(np.int32) * 257),
        "alpha": Image.fromarray(noise),
        "grey": grey,
        "grey and alpha": Image.fromarray(noise).convert("LA"),
        "grey and a clear value": clear,
        "palette": palette,
        "two levels": grey.convert("1"),
        "cmyk": rgb.convert("CMYK"),
        "ycbcr": rgb.convert("YCbCr"),
        "a column": Image.fromarray(noise[:, :1, :3]),
        "a row": Image.fromarray(noise[:1, :, :3]),
        "of the size": Image.fromarray(noise[:16, :24, :3]),
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("kind", awkward())
def test_a_picture_becomes_the_same_input(kind: str, fit: Fit, channels: Channels) -> None:
    for height, width in ((16, 24), (9, 9), (100, 40)):
        wanted = Preprocessing(height=height, width=width, channels=channels, fit=fit)
        expected = wanted(pixels(awkward()[kind], channels=channels))
        found = predict.prepared(awkward()[kind], (height, width, channels), fit)
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("values", [np.ones((2, 2), np.float32), np.full((2, 2), -1, np.int32)])
def test_pixels_of_an_unknown_range_are_refused(values: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(SystemExit, match="range is not known"):
        predict.prepared(Image.fromarray(values), (2, 2, 3), "crop")


def test_a_camera_s_blue_comes_first(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenCV gives BGR. The grey model makes its brightness of it."""
    frame = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    frames = iter([(True, frame), (False, None)])
    camera = SimpleNamespace(read=lambda: next(frames))
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(VideoCapture=lambda number: camera))
    model = bundle / contents_of(bundle).recommended
    argv = ["predict.py", "--camera", "0", "--json", "--model", str(model)]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(predict, "__file__", str(bundle / "predict.py"))
    predict.main()
    found = json.loads(capsys.readouterr().out)
    rgb = Image.fromarray(frame[..., ::-1].copy())
    assert found["file"] == "camera"
    assert found["top"][0]["logit"] == Classifier(model).predict(rgb).top[0].logit
