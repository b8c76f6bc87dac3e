"""Metadata in a `.tflite` file: the standard `TFLITE_METADATA`, and ours as JSON.

https://ai.google.dev/edge/litert/conversion/tensorflow/metadata. The one package that is maintained
and has its schema is mediapipe (43 MB, with OpenCV), so that the few tables are built here by their
numbers in `metadata_schema.fbs`.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.errors import printable
from targets.formats.metadata import OWN_NAME, FileMetadata
from targets.formats.tflite.prepending import vector, with_buffers
from targets.untyped import FlatbufferBuilder

STANDARD_NAME = "TFLITE_METADATA"
LABELS = "labels.txt"
TENSOR_AXIS_LABELS = 2
FEATURE, IMAGE = 1, 2
RGB, GREY = 1, 2
NORMALIZATION = 1


def stamp(path: Path, to: Path, *, metadata: FileMetadata) -> None:
    own = json.dumps(metadata.texts(), ensure_ascii=False).encode()
    entries = {STANDARD_NAME: _standard(metadata), OWN_NAME: own}
    to.write_bytes(with_buffers(path.read_bytes(), entries) + _packed_labels(metadata.labels))


def stamped(path: Path) -> dict[str, str]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes())
    for entry in map(model.Metadata, range(model.MetadataLength())):
        if entry.Name() == OWN_NAME.encode():
            data = model.Buffers(entry.Buffer()).DataAsNumpy()
            found: dict[str, str] = json.loads(data.tobytes())
            return found
    return {}


def _packed_labels(labels: Sequence[str]) -> bytes:
    """A zip behind the model, where programs look for the associated files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # One class per line; ZipInfo's default date is the same always.
        archive.writestr(zipfile.ZipInfo(LABELS), "".join(f"{printable(one)}\n" for one in labels))
    return packed.getvalue()


def _standard(metadata: FileMetadata) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        {
            2: vector(builder, [_input(builder, metadata)]),
            3: vector(builder, [_output(builder)]),
        },
    )
    texts = {0: metadata.name, 2: metadata.version, 5: metadata.license, 7: "1.0.0"}
    written = {slot: builder.CreateString(text) for slot, text in texts.items() if text}
    root = _table(builder, {**written, 3: vector(builder, [graph])})
    builder.Finish(root, file_identifier=b"M001")
    return bytes(builder.Output())


def _input(builder: FlatbufferBuilder, metadata: FileMetadata) -> int:
    """The raw values are the input: a mean of 0 and a deviation of 1."""
    numbers = {0: _floats(builder, 0.0), 1: _floats(builder, 1.0)}
    unit = _table(builder, {1: _table(builder, numbers)}, bytes_={0: NORMALIZATION})
    limits = {0: _floats(builder, 255.0), 1: _floats(builder, 0.0)}
    kind = IMAGE if metadata.is_picture else FEATURE
    content = _table(builder, {1: _properties(builder, metadata)}, bytes_={0: kind})
    return _table(
        builder,
        {
            0: builder.CreateString("image" if metadata.is_picture else "input"),
            1: builder.CreateString(metadata.texts()["preprocessing"]),
            3: content,
            4: vector(builder, [unit]),
            5: _table(builder, limits),
        },
    )


def _properties(builder: FlatbufferBuilder, metadata: FileMetadata) -> int:
    if not metadata.is_picture:
        return _table(builder, {})
    high, wide, channels = metadata.input.shape
    size = _table(builder, {}, uints={0: wide, 1: high})
    return _table(builder, {1: size}, bytes_={0: RGB if channels == 3 else GREY})


def _output(builder: FlatbufferBuilder) -> int:
    file = _table(builder, {0: builder.CreateString(LABELS)}, bytes_={2: TENSOR_AXIS_LABELS})
    return _table(
        builder,
        {
            0: builder.CreateString("logits"),
            1: builder.CreateString("One logit per class."),
            3: _table(builder, {1: _table(builder, {})}, bytes_={0: FEATURE}),
            6: vector(builder, [file]),
        },
    )


def _table(
    builder: FlatbufferBuilder,
    offsets: Mapping[int, int],
    *,
    bytes_: Mapping[int, int] | None = None,
    uints: Mapping[int, int] | None = None,
) -> int:
    """A table of these fields, by slot."""
    builder.StartObject(1 + max([*offsets, *(bytes_ or ()), *(uints or ()), 0]))
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in (bytes_ or {}).items():
        builder.PrependUint8Slot(slot, value, 0)
    for slot, value in (uints or {}).items():
        builder.PrependUint32Slot(slot, value, 0)
    return int(builder.EndObject())


def _floats(builder: FlatbufferBuilder, value: float) -> int:
    builder.StartVector(4, 1, 4)
    builder.PrependFloat32(value)
    return int(builder.EndVector())
