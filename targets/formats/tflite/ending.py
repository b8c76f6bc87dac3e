"""The last softmax or sigmoid of a quantized `.tflite` is calculated in float, behind the integers.

In int8 a probability has steps of 1/256. Where no class has half of that (a softmax over many
classes, or an unsure one) every output is 0, and the first class wins (tensorflow#43700).
"""

from targets.formats.tflite.inspect import PROBABILITY_OPS, operator_name
from targets.untyped import FlatbufferBuilder, TfliteBuffer, TfliteGraph, TfliteModel

ALIGNMENT = 16
"""Alignment of a buffer in bytes: `force_align` of TFLite's schema; Python's packer ignores it."""


def with_float_ending(content: bytes) -> bytes:
    """The file with SOFTMAX -> DEQUANTIZE at its end as DEQUANTIZE -> SOFTMAX, else unchanged.

    The operator's integer input keeps its scale, so that the network in front of it is the same.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    graph = model.subgraphs[0]
    made_by = {int(op.outputs[0]): place for place, op in enumerate(graph.operators)}
    last = made_by.get(int(graph.outputs[0]))
    if last is None or operator_name(model, graph.operators[last]) != "DEQUANTIZE":
        return content
    before = made_by.get(int(graph.operators[last].inputs[0]))
    if before is None or operator_name(model, graph.operators[before]) not in PROBABILITY_OPS:
        return content
    _swap(graph, before, last)
    return packed(model)


def _swap(graph: TfliteGraph, before: int, last: int) -> None:
    """Exchange two operators in a row; the tensor between them becomes a float one."""
    from tensorflow.lite.python import schema_py_generated as schema

    first, second = graph.operators[before], graph.operators[last]
    between = graph.tensors[int(first.outputs[0])]
    between.type, between.quantization = schema.TensorType.FLOAT32, None
    first.inputs, second.inputs = second.inputs, first.inputs
    first.outputs, second.outputs = second.outputs, first.outputs
    graph.operators[before], graph.operators[last] = second, first


def packed(model: TfliteModel) -> bytes:
    """The file of these tables."""
    import flatbuffers

    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _aligned(buffer: TfliteBuffer) -> TfliteBuffer:
    from tensorflow.lite.python import schema_py_generated as schema

    class Aligned(schema.BufferT):  # type: ignore[misc]
        def Pack(self, builder: FlatbufferBuilder) -> object:  # noqa: N802 - the generated name
            if self.data is None or len(self.data) == 0:
                return super().Pack(builder)
            content = bytes(self.data)
            builder.StartVector(1, len(content), ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    made = Aligned()
    made.__dict__.update(buffer.__dict__)
    return made
