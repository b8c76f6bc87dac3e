"""`Classifier`: predictions by the runtime and the input bytes of a device."""

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from PIL import Image

from targets import Classifier
from targets.bench.plan import logits_of
from targets.errors import DeviceError, InputError, ProofError
from targets.formats.model_io import ModelIO
from targets.images.preprocessing import Fit, Preprocessing
from targets.images.reading import read
from tests import teacher_files
from tests.conftest import Lane
from tests.models import onnx_file
from tests.picture_models import (
    CLASSES,
    SIZE,
    colour_file,
    delivered,
    describe,
    noisy,
    photo,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return delivered(tmp_path / "student.onnx")


def test_the_logits_of_every_file_of_a_run_are_the_agent_s_bit_by_bit(
    finished: Lane, tmp_path: Path
) -> None:
    photos = [
        photo(tmp_path / f"{number}{suffix}", colour, seed=number, size=(50 + number, 70))
        for number, colour in enumerate(CLASSES)
        for suffix in (".png", ".jpg")
    ]
    prepare = Preprocessing(height=12, width=12, channels=1, fit="pad")
    raw = np.stack([prepare(read(path, channels=1)) for path in photos])
    names = "student.int8.tflite student.int8.onnx student.float32.tflite teacher.float32.onnx"
    for name in names.split():
        path = tmp_path / name
        path.write_bytes((finished.out / "tiny" / "models" / name).read_bytes())
        describe(path, classes=CLASSES, shape=(12, 12, 1), fit="pad")
        classifier = Classifier(path)
        wanted = logits_of(path, path.suffix[1:], raw, tmp_path)
        assert classifier.logits(raw).tobytes() == wanted.tobytes(), name
        found = [one.logits for one in classifier.predict_many(photos)]
        assert np.stack(found).tobytes() == wanted.tobytes(), name


@pytest.mark.parametrize(
    ("scale", "offset"), [(1 / 255, 0.0), (1 / 127.5, -1.0), ((0.017, 0.018, 0.019), (-2, -1, -3))]
)
def test_a_foreign_file_with_channels_first_gets_the_agent_s_bytes(
    tmp_path: Path, scale: Any, offset: Any
) -> None:
    path = colour_file(tmp_path / "foreign.onnx")
    classifier = Classifier(path, classes=CLASSES, scale=scale, offset=offset)
    raw = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    adapter = ModelIO(scale=scale, offset=offset, channels_first=True, shape=(3, SIZE, SIZE))
    wanted = logits_of(path, "onnx", raw, tmp_path, adapter=adapter)
    assert classifier.logits(raw).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_a_quantized_file_gets_bytes_and_gives_probabilities(
    stripes_data: Any, tmp_path: Path, dtype: str
) -> None:
    path = teacher_files.tflite_file(tmp_path / "foreign.tflite", stripes_data, dtype=dtype)
    classifier = Classifier(path, classes=stripes_data.classes)
    raw = stripes_data["val"].raw[:20]
    assert classifier.preparation.how == Preprocessing(height=12, width=12, channels=1)
    least = -128 if dtype == "int8" else 0
    adapter = ModelIO(
        shape=(12, 12, 1), input_quantization=(1.0, least) if least else None,
        output_quantization=(1 / 256, least), output="probabilities",
    )  # fmt: skip
    wanted = logits_of(path, "tflite", raw, tmp_path, adapter=adapter)
    assert classifier.logits(raw).tobytes() == wanted.tobytes()
    first = classifier.classified(raw[0])
    assert first.index == stripes_data["val"].labels[0]


def test_one_picture_is_the_same_in_every_form(model: Path, tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", "green")
    pixels = read(path)
    opaque = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], axis=2)
    forms = [path, str(path), path.read_bytes(), pixels, opaque, Image.open(path)]
    classifier = Classifier(model)
    found = [classifier.predict(form).logits.tobytes() for form in forms]
    assert len(set(found)) == 1


def test_grey_pixels_need_no_channel(model: Path) -> None:
    grey = noisy("blue")[..., 2]
    classifier = Classifier(model)
    found = {classifier.predict(form).logits.tobytes() for form in (grey, grey[..., np.newaxis])}
    assert len(found) == 1


def test_a_prediction_has_its_class_and_the_softmax_of_its_logits(model: Path) -> None:
    found = Classifier(model).predict(noisy("blue"), top=2)
    assert (found.name, found.index) == ("blue", 2)
    assert [score.name for score in found.top] == ["blue", "green"]
    powers = np.exp(found.logits.astype(float))
    assert found.probability == pytest.approx(powers[2] / powers.sum())
    assert found.top[1].logit == found.logits[1]


def test_of_equal_classes_the_first_comes_first_as_in_every_accuracy(model: Path) -> None:
    found = Classifier(model).predict(np.full((9, 9, 3), 50, np.uint8), top=9)
    assert [score.index for score in found.top] == [0, 1, 2]


FITS: tuple[Fit, ...] = ("crop", "stretch")


def test_the_sidecar_decides_how_a_picture_is_fitted(tmp_path: Path) -> None:
    sides = np.concatenate([noisy("red"), noisy("green"), noisy("red")], axis=1)
    crop, stretch = (Classifier(delivered(tmp_path / f"{fit}.onnx", fit=fit)) for fit in FITS)
    assert crop.predict(sides).name == "green"
    assert stretch.predict(sides).name == "red"


def test_many_pictures_come_in_order_and_are_read_only_a_little_ahead(model: Path) -> None:
    drawn = []

    def endless() -> Any:
        for number in itertools.count():
            drawn.append(number)
            yield noisy(CLASSES[number % 3], seed=number)

    found = itertools.islice(Classifier(model).predict_many(endless()), 30)
    assert [one.name for one in found] == list(CLASSES) * 10
    assert len(drawn) < 60


@pytest.mark.parametrize("picture", [b"<html>", np.zeros((4, 4)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_one_clear_error(model: Path, picture: Any) -> None:
    with pytest.raises(InputError, match="cannot be read as a picture: "):
        Classifier(model).predict(picture)


def test_an_unreadable_file_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(InputError, match=r"empty\.jpg: cannot be read as a picture: empty file"):
        list(Classifier(model).predict_many([tmp_path / "empty.jpg"]))


def test_raw_inputs_of_another_shape_are_refused(model: Path) -> None:
    with pytest.raises(
        InputError, match=r"takes raw inputs uint8 \[n, 8, 8, 3\], not uint8 \[2, 9"
    ):
        Classifier(model).logits(np.zeros((2, 9, 8, 3), np.uint8))


def test_a_softmax_is_recognised_and_can_be_read_as_logits(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "softmax.onnx", ending="Softmax")
    raw = noisy("red")
    recognised = Classifier(path, scale=1 / 255).predict(raw)
    assert recognised.probability == pytest.approx(np.exp(recognised.logits[0]), abs=1e-6)
    assert recognised.probability > 0.99
    assert Classifier(path, scale=1 / 255, output="logits").predict(raw).probability < 0.6


def test_one_score_is_the_second_of_two_classes(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "sigmoid.onnx", ending="Sigmoid", scores=1)
    how: Any = {"classes": ("other", "blue"), "scale": 1 / 255, "offset": -0.5}
    classifier = Classifier(path, output="probabilities", **how)
    assert [classifier.predict(noisy(colour)).name for colour in CLASSES] == [
        "other", "other", "blue",
    ]  # fmt: skip
    score = classifier.predict(noisy("blue"))
    assert score.probability == pytest.approx(np.exp(score.logits[1]), abs=1e-6)
    with pytest.raises(InputError, match="gives one number, and does not say what it is"):
        Classifier(path, **how)


def test_an_open_size_is_the_one_that_is_asked(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "open.onnx", dims=("n", 3, "h", "w"))
    with pytest.raises(InputError, match="give the size of its pictures with --size"):
        Classifier(path, scale=1 / 255)
    assert Classifier(path, scale=1 / 255, size=24).preparation.blank.shape[0] == 24
    classifier = Classifier(path, scale=1 / 255, size=(16, 24), fit="pad")
    assert classifier.preparation.how == Preprocessing(height=16, width=24, fit="pad")
    assert classifier.predict(noisy("green")).index == 1


def test_a_batch_that_is_fixed_in_the_file_is_filled(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "four.onnx", dims=(4, 3, SIZE, SIZE))
    classifier = Classifier(path, scale=1 / 255, classes=CLASSES)
    raw = np.stack([classifier.prepared(noisy(CLASSES[i % 3], seed=i)) for i in range(6)])
    assert classifier.logits(raw).argmax(axis=1).tolist() == [0, 1, 2, 0, 1, 2]
    assert classifier.predict(noisy("blue")).name == "blue"


def test_classes_without_names_have_their_numbers(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "foreign.onnx")
    assert Classifier(path, scale=1 / 255).predict(noisy("blue")).name == "2"


def test_given_names_replace_those_of_the_sidecar(model: Path) -> None:
    german = Classifier(model, classes=("rot", "grün", "blau"))
    assert german.predict(noisy("blue")).name == "blau"


FLOAT = {"scale": 1 / 255}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "has no sidecar that says which values of pixels it was trained with"),
    ({}, {**FLOAT, "size": 9}, r"--size 9x9: .* takes 'image' float32 \[1, 3, 8, 8\]"),
    ({}, {**FLOAT, "channels": 1}, r"--channels 1: .* takes 'image' float32 \[1, 3, 8, 8\]"),
    ({"dims": (1, 3, "h", "w")}, FLOAT, "give the size of its pictures with --size"),
    ({}, {"scale": (1.0, 2.0)}, "--scale: has 2 numbers, and pictures have 3 channels"),
    ({}, {**FLOAT, "classes": ("a", "b")}, "gives 3 scores, and 2 names .* background class"),
    ({"extra": True}, FLOAT, "has the outputs 'scores' .*; 'features' .* --output-name NAME"),
    ({"extra": True}, {**FLOAT, "output_name": "score"}, "did you mean 'scores'"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "given", "message"), REFUSED)
def test_what_is_missing_or_does_not_fit_is_one_clear_error(
    tmp_path: Path, made: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    path = colour_file(tmp_path / "foreign.onnx", **made)
    with pytest.raises(InputError, match=message) as error:
        Classifier(path, **given)
    assert "\n" not in str(error.value)


def test_an_output_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "foreign.onnx", extra=True)
    least = Classifier(path, scale=1 / 255, output_name="features", classes=CLASSES)
    assert least.predict(noisy("red")).name != "red"


def test_the_sidecar_cannot_be_contradicted(model: Path) -> None:
    with pytest.raises(InputError, match=r"--scale is what its sidecar student\.onnx\.json says"):
        Classifier(model, scale=1 / 255)


def test_the_sidecar_of_another_file_is_not_believed(model: Path) -> None:
    colour_file(model)
    with pytest.raises(InputError, match="describes another file"):
        Classifier(model)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([("a", "float32", [1, 8, 8, 3]), ("b", "float32", [1, 4])], "has 2 inputs"),
        ([("a", "float32", [1, 20])], "which are no pictures"),
        ([("a", "float32", [1, 8, 8, 7])], "which are no pictures of 1 or 3 channels"),
        ([("a", "float32", [1, 8, 8, 3])], "and not one score per class"),
    ],
)
def test_a_model_of_something_else_is_refused(
    tmp_path: Path, inputs: list[Any], message: str
) -> None:
    (tmp_path / "other.onnx").write_bytes(onnx_file("Relu", inputs))
    with pytest.raises(InputError, match=message):
        Classifier(tmp_path / "other.onnx", scale=1)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_damaged_file_is_an_error_of_the_input(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(colour_file(tmp_path / "whole.onnx").read_bytes()[:200])
    with pytest.raises(InputError, match=f"cut{suffix}: "):
        Classifier(path, scale=1)


def test_a_failure_of_the_runtime_is_not_the_user_s(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "fails.onnx", dims=(1, 3, "h", "w"), dtype=TensorProto.FLOAT)
    broken = Path(tmp_path / "broken.onnx")
    broken.write_bytes(failing(path))
    with pytest.raises(DeviceError, match=r"broken\.onnx in onnxruntime: "):
        Classifier(broken, scale=1, size=8)


def failing(path: Path) -> bytes:
    """The model with a reshape that fits pictures of another size only."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 3, 5, 7]), "shape"))
    model.graph.node[0].input[0] = "reshaped"
    model.graph.node.insert(0, helper.make_node("Reshape", ["image", "shape"], ["reshaped"]))
    content: bytes = model.SerializeToString()
    return content


def test_scores_that_are_not_finite_are_no_prediction(tmp_path: Path) -> None:
    path = colour_file(tmp_path / "log.onnx", ending="Log")
    with pytest.raises(ProofError, match="not finite"):
        Classifier(path, scale=1, output="logits").predict(np.zeros((8, 8, 3), np.uint8))


PAGE = (Path(__file__).parent.parent / "docs" / "predicting.md").read_text(encoding="utf-8")


def test_the_documented_example_runs(
    stripes_data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    path = Path("runs/photos/models/student.int8.tflite")
    path.parent.mkdir(parents=True)
    teacher_files.tflite_file(path, stripes_data, dtype="uint8")
    describe(path, classes=CLASSES, shape=(12, 12, 1), fit="crop")
    colour_file(Path("other.onnx"), dims=("n", 3, "h", "w"))
    photo(Path("photo.jpg"), "blue")
    photo(Path("other.png"), "red")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["logits"].shape == (1, 3)
    assert names["found"].name in CLASSES
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 + 2 + 1
    assert lines[-1] == "blue"


def test_importing_the_package_imports_nothing_and_a_prediction_no_tensorflow(
    model: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, targets\n"
        "assert 'numpy' not in sys.modules\n"
        "print(targets.Classifier(sys.argv[1]).predict(sys.argv[2]).name)\n"
        "assert not {'tensorflow', 'scipy', 'sklearn'} & sys.modules.keys()\n"
    )
    path = photo(tmp_path / "a.jpg", "blue")
    done = subprocess.run(
        [sys.executable, "-c", code, str(model), str(path)], capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("blue\n", 0), done.stderr
    assert done.stderr == ""
