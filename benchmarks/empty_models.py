"""Model files with almost no computation: one Add of a tensor of four numbers to itself."""

from pathlib import Path

import numpy as np

SHAPE = (1, 4)
INPUT = "x"


def write(folder: Path) -> dict[str, Path]:
    """Write both files and `samples.npy` with their samples; returns format -> file."""
    np.save(folder / "samples.npy", np.zeros((64, *SHAPE[1:]), np.float32))
    contents = {"tflite": _tflite(), "onnx": _onnx()}
    paths = {name: folder / f"empty.{name}" for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return paths


def _tflite() -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    graph, model = schema.SubGraphT(), schema.ModelT()
    for name in (INPUT, "y"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(SHAPE), schema.TensorType.FLOAT32
        graph.tensors = [*(graph.tensors or ()), tensor]
    add, code = schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    add.opcodeIndex, add.inputs, add.outputs = 0, [0, 0], [1]
    add.builtinOptionsType = schema.BuiltinOptions.AddOptions
    add.builtinOptions = schema.AddOptionsT()
    graph.inputs, graph.outputs, graph.operators = [0], [1], [add]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _onnx() -> bytes:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in (INPUT, "y")]
    add = helper.make_node("Add", [INPUT, INPUT], ["y"])
    graph = helper.make_graph([add], "empty", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 13)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content
