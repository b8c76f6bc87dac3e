"""The sidecar of a model file."""

import json
from pathlib import Path

import pytest

from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.formats import sidecar
from targets.formats.input_spec import image_input
from targets.formats.model_io import ModelIO
from targets.formats.record import ExportedModel
from targets.images.preprocessing import Preprocessing

CLASSES = ("Fruit/Apple", "Crème brûlée")


def written(folder: Path, *, adapter: ModelIO | None = None) -> Path:
    path = folder / "student.int8.tflite"
    path.write_bytes(b"model")
    record = ExportedModel(
        name=path.name,
        role="student_qat",
        format="tflite",
        precision="int8",
        file=f"models/{path.name}",
        sha256=file_sha256(path),
        size_bytes=5,
        parameters=None,
        macs=None,
        adapter=adapter,
    )
    sidecar.write(
        path,
        record=record,
        classes=CLASSES,
        input=image_input(64, 96, 3),
        preprocessing=Preprocessing(height=64, width=96, fit="pad"),
    )
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = sidecar.read(written(tmp_path, adapter=ModelIO(shape=(3, 64, 96), scale=(1, 2, 3))))
    assert found is not None
    assert (found.file, found.precision, found.classes) == (
        "student.int8.tflite", "int8", CLASSES,
    )  # fmt: skip
    assert found.input == image_input(64, 96, 3)
    assert found.preprocessing == Preprocessing(height=64, width=96, fit="pad")
    assert found.adapter == ModelIO(shape=(3, 64, 96), scale=(1, 2, 3))


def test_the_document_names_its_schema_and_what_a_program_needs(tmp_path: Path) -> None:
    content = json.loads((sidecar.path_of(written(tmp_path))).read_text())
    assert content["schema"] == "model-sidecar/1"
    assert content["input"] == {
        "kind": "image", "shape": [64, 96, 3], "dtype": "uint8", "scale": 1 / 128,
        "zero_point": 128, "front_end": None, "vocabulary": None,
    }  # fmt: skip
    assert content["preprocessing"] == {"height": 64, "width": 96, "channels": 3, "fit": "pad"}
    assert content["output"] == "logits"


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, two = (sidecar.path_of(written(tmp_path / name)).read_bytes() for name in "ab")
    assert one == two


def test_a_file_without_a_sidecar_has_none(tmp_path: Path) -> None:
    assert sidecar.read(tmp_path / "model.tflite") is None


def test_the_sidecar_of_another_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"another model")
    with pytest.raises(InputError, match=r"student\.int8\.tflite\.json: describes another file"):
        sidecar.read(path)


def test_a_sidecar_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    place = sidecar.path_of(written(tmp_path))
    place.unlink()
    place.mkdir()
    with pytest.raises(InputError, match=r"student\.int8\.tflite\.json: cannot be read: Is a dir"):
        sidecar.read(tmp_path / "student.int8.tflite")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model-sidecar/1", "model-sidecar/2", "schema: Input should be 'model-sidecar/1'"),
        ('"precision"', '"precison"', "precision: Field required"),
        ("}", "", "Invalid JSON"),
        ('"pad"', '"zoom"', "preprocessing.fit"),
        ('"height": 64', '"height": 0', "preprocessing.height"),
        ('"fit"', '"fitt"', "preprocessing.fitt"),
    ],
)
def test_a_damaged_sidecar_or_another_schema_is_one_clear_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = written(tmp_path)
    place = sidecar.path_of(path)
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        sidecar.read(path)
    assert str(place) in str(error.value)
    assert "\n" not in str(error.value)
