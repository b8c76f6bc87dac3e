"""The results of an int8 operator of a TFLite file for its 256 possible inputs."""

from copy import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.formats.tflite.inspect import read
from targets.untyped import TfliteGraph, TfliteModel, TfliteOperator


def table(path: Path, tensor: str) -> npt.NDArray[np.uint8] | None:
    """[256] results, input and result as uint8 (int8 + 128), by LiteRT's own kernel.

    `tensor` is the output of the operator. None where it is not a function of one int8 tensor.
    """
    model = read(path)
    graph = model.subgraphs[0]
    names = [one.name.decode() for one in graph.tensors]
    found = [op for op in graph.operators if names[op.outputs[0]] == tensor]
    if len(found) != 1 or len(found[0].inputs) != 1 or not _int8(graph, found[0]):
        return None
    inputs = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    results = _run(_alone(model, found[0]), inputs)
    return (results.astype(np.int16) + 128).astype(np.uint8).reshape(256)


def _int8(graph: TfliteGraph, operator: TfliteOperator) -> bool:
    from tensorflow.lite.python import schema_py_generated as schema

    ends = (graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]])
    return all(end.type == schema.TensorType.INT8 for end in ends)


def _alone(model: TfliteModel, operator: TfliteOperator) -> bytes:
    """A file with this operator alone, for a tensor [1, 256]."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    graph = model.subgraphs[0]
    ends = [copy(graph.tensors[i]) for i in (operator.inputs[0], operator.outputs[0])]
    for end in ends:
        end.shape, end.shapeSignature, end.buffer = [1, 256], None, 0
    only = schema.SubGraphT()
    only.tensors, only.inputs, only.outputs = ends, [0], [1]
    node = copy(operator)
    node.inputs, node.outputs = [0], [1]
    only.operators = [node]
    small = schema.ModelT()
    small.version, small.operatorCodes = model.version, model.operatorCodes
    small.subgraphs, small.buffers = [only], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(small.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _run(content: bytes, inputs: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    result: npt.NDArray[np.int8] = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    )
    return result
