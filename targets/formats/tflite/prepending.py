"""Adds named buffers to a `.tflite` file without a change of its other bytes.

A flatbuffer refers forward only. A new root in front of the old file refers to its tables, so that
no weight is copied or loses its alignment: the packer of the generated code does not keep that.
"""

from collections.abc import Mapping, Sequence

from targets.untyped import FlatbufferBuilder, FlatbufferTable

ALIGNMENT = 16
VERSION, BUFFERS, METADATA = 0, 4, 6
"""Slots of the table `Model`."""


def with_buffers(content: bytes, entries: Mapping[str, bytes]) -> bytes:
    """`content` with `entries` as its metadata; those of these names are replaced."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    old = content + bytes(-len(content) % ALIGNMENT)
    builder = flatbuffers.Builder(len(old) + 4096)
    builder.Prep(ALIGNMENT, len(old))
    builder.head -= len(old)
    builder.Bytes[builder.head : builder.head + len(old)] = old
    kept = [model.Metadata(i) for i in range(model.MetadataLength())]
    kept = [entry for entry in kept if entry.Name().decode() not in entries]
    added = [
        _metadata(builder, name, model.BuffersLength() + place)
        for place, name in enumerate(entries)
    ]
    buffers = [_buffer(builder, data) for data in entries.values()]
    old_buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    replaced = {
        BUFFERS: vector(builder, [*(len(old) - one._tab.Pos for one in old_buffers), *buffers]),
        METADATA: vector(builder, [*(len(old) - one._tab.Pos for one in kept), *added]),
    }
    root = _root(builder, model._tab, old, replaced)
    builder.Finish(root, file_identifier=b"TFL3")
    return bytes(builder.Output())


def _root(
    builder: FlatbufferBuilder, model: FlatbufferTable, old: bytes, replaced: Mapping[int, int]
) -> int:
    """The table `Model`; all its fields but the version are offsets."""
    vtable = model.Pos - _int(old, model.Pos)
    slots = max((int.from_bytes(old[vtable : vtable + 2], "little") - 4) // 2, METADATA + 1)
    fields = {slot: model.Offset(4 + 2 * slot) for slot in range(slots)}
    builder.StartObject(slots)
    builder.PrependUint32Slot(VERSION, _uint(old, model.Pos + fields.pop(VERSION)), 0)
    for slot, place in fields.items():
        at = model.Pos + place
        offset = replaced.get(slot) or (len(old) - at - _uint(old, at) if place else 0)
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _metadata(builder: FlatbufferBuilder, name: str, buffer: int) -> int:
    text = builder.CreateString(name)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    builder.PrependUint32Slot(1, buffer, 0)
    return int(builder.EndObject())


def _buffer(builder: FlatbufferBuilder, data: bytes) -> int:
    builder.StartVector(1, len(data), ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    return int(builder.EndObject())


def vector(builder: FlatbufferBuilder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _uint(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "little")


def _int(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "little", signed=True)
