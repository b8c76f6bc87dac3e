"""What a model file says of itself: every format has the same, and none changes the network."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from targets import Classifier
from targets.errors import ConversionError
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from targets.formats.metadata import OWN_NAME, FileMetadata
from targets.formats.tflite.metadata import STANDARD_NAME
from targets.untyped import FlatbufferTable, TfliteModel
from tests.models import onnx_file

LABELS = ("across", 'a "quoted"\nname', "ärgerlich */ 🙂")


def metadata_of(path: Path) -> FileMetadata:
    found = sidecar.read(path)
    assert found is not None
    return FileMetadata(
        name="tiny",
        version="1.2",
        license="Apache-2.0",
        labels=LABELS,
        input=found.input,
        preprocessing=found.preprocessing,
        measured_sha256=found.sha256,
    )


def stamped(path: Path, to: Path) -> bytes:
    FORMATS[path.suffix[1:]].stamp(path, to, metadata=metadata_of(path))
    return to.read_bytes()


def model_of(content: bytes) -> TfliteModel:
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAs(content)


def buffer_of(content: bytes, name: str) -> bytes:
    model = model_of(content)
    entries = [model.Metadata(place) for place in range(model.MetadataLength())]
    (entry,) = [one for one in entries if one.Name().decode() == name]
    return bytes(model.Buffers(entry.Buffer()).DataAsNumpy())


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["tflite", "onnx"])
def test_it_changes_no_logit(run: Path, tmp_path: Path, name: str, precision: str) -> None:
    path = run / "models" / f"student.{precision}.{name}"
    to = tmp_path / path.name
    assert stamped(path, to) == stamped(path, tmp_path / f"again.{name}")
    shutil.copy(sidecar.path_of(path), tmp_path)
    described = tmp_path / f"{path.name}.json"
    described.write_text(described.read_text().replace(file_sha256(path), file_sha256(to)))
    raw = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 1)).astype(np.uint8)
    assert Classifier(to).logits(raw).tobytes() == Classifier(path).logits(raw).tobytes()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_no_byte_of_a_weight_moves_from_its_alignment(
    run: Path, tmp_path: Path, precision: str
) -> None:
    path = run / "models" / f"student.{precision}.tflite"
    content = stamped(path, tmp_path / "stamped.tflite")
    assert path.read_bytes() in content
    before, after = places(path.read_bytes()), places(content)
    assert [place % 16 for place in after[: len(before)]] == [place % 16 for place in before]
    assert [place % 16 for place in after[len(before) :]] == [0, 0]


def places(content: bytes) -> list[int]:
    """Where the buffers with contents begin."""
    model = model_of(content)
    buffers = [model.Buffers(place) for place in range(model.BuffersLength())]
    return [one._tab.Vector(one._tab.Offset(4)) for one in buffers if one.DataLength()]


def test_the_standard_metadata_of_tflite_hold_the_labels_and_the_picture(
    run: Path, tmp_path: Path
) -> None:
    path = run / "models" / "student.int8.tflite"
    content = stamped(path, tmp_path / "stamped.tflite")
    standard = buffer_of(content, STANDARD_NAME)
    assert standard[4:8] == b"M001"
    root = table(standard)
    assert [text(root, slot) for slot in (0, 2, 5)] == ["tiny", "1.2", "Apache-2.0"]
    graph = child(root, 3)
    picture, logits = child(graph, 2), child(graph, 3)
    assert (text(picture, 0), text(logits, 0)) == ("image", "logits")
    assert text(child(logits, 6), 0) == "labels.txt"
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        lines = packed.read("labels.txt").decode().splitlines()
    assert lines == ["across", 'a "quoted"\\nname', "ärgerlich */ 🙂"]


def table(content: bytes) -> FlatbufferTable:
    import flatbuffers

    place = int.from_bytes(content[:4], "little")
    return flatbuffers.table.Table(content, place)


def text(of: FlatbufferTable, slot: int) -> str:
    value: bytes = of.String(of.Offset(4 + 2 * slot) + of.Pos)
    return value.decode()


def child(of: FlatbufferTable, slot: int) -> FlatbufferTable:
    """The first table of a vector."""
    import flatbuffers

    return flatbuffers.table.Table(of.Bytes, of.Indirect(of.Vector(of.Offset(4 + 2 * slot))))


def test_both_formats_hold_the_same_texts(run: Path, tmp_path: Path) -> None:
    import onnx

    lite = stamped(run / "models" / "student.int8.tflite", tmp_path / "a.tflite")
    stamped(run / "models" / "student.int8.onnx", tmp_path / "a.onnx")
    ours = json.loads(buffer_of(lite, OWN_NAME))
    props = {entry.key: entry.value for entry in onnx.load(tmp_path / "a.onnx").metadata_props}
    del ours["measured_sha256"]
    assert ours.items() <= props.items()
    assert json.loads(props["labels"]) == list(LABELS)
    assert json.loads(props["preprocessing"]) == {
        "kind": "image", "shape": [12, 12, 1], "dtype": "uint8", "scale": 1 / 128,
        "zero_point": 128, "front_end": None, "vocabulary": None,
        "channel_order": "grey",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["tflite", "onnx"])
def test_a_file_that_is_stamped_again_holds_the_last_metadata_alone(
    run: Path, tmp_path: Path, name: str
) -> None:
    path = run / "models" / f"student.int8.{name}"
    once = tmp_path / f"once.{name}"
    first = stamped(path, once)
    twice = tmp_path / f"twice.{name}"
    FORMATS[name].stamp(once, twice, metadata=metadata_of(path))
    if name == "onnx":
        assert twice.read_bytes() == first
    else:
        assert buffer_of(twice.read_bytes(), OWN_NAME) == buffer_of(first, OWN_NAME)


def test_a_file_with_its_weights_beside_it_is_refused(run: Path, tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "split.onnx"
    model = onnx.load_from_string(onnx_file("Weights", [("x", "float32", [1, 64])], size=4096))
    (weights,) = model.graph.initializer
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights), "w"))
    onnx.save_model(model, path, save_as_external_data=True, size_threshold=0)
    metadata = metadata_of(run / "models" / "student.int8.onnx")
    with pytest.raises(ConversionError, match="one file per model"):
        FORMATS["onnx"].stamp(path, tmp_path / "to.onnx", metadata=metadata)
    assert not (tmp_path / "to.onnx").exists()
