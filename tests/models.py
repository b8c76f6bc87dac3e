"""Small ONNX and TFLite files with any operator, input type and shape, written node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Input = tuple[str, str, list[int | None]]
"""Name, numpy's name of the type (or "string"), shape; None for a size that is left open."""


def onnx_file(operator: str, inputs: Sequence[Input], *, size: int = 0) -> bytes:
    """An ONNX file that applies `operator` to each input, with one output each.

    "Weights" is a product with `size` bytes of weights, "Branch" two sines in a branch that is
    always taken, "Mystery" an operator that no runtime has.
    """
    from onnx import TensorProto, checker, helper

    def kind(name: str) -> int:
        number: int = (
            TensorProto.STRING
            if name == "string"
            else helper.np_dtype_to_tensor_dtype(np.dtype(name))
        )
        return number

    value = helper.make_tensor_value_info
    sources = [
        value(n, kind(t), ["?" if s is None else s for s in shape]) for n, t, shape in inputs
    ]
    nodes, outputs, weights = [], [], []
    for place, (name, dtype, shape) in enumerate(inputs):
        out = f"out{place}"
        target, rank = TensorProto.FLOAT, [None] * len(shape)
        if operator == "Cast":
            nodes.append(helper.make_node("Cast", [name], [out], to=TensorProto.FLOAT))
        elif operator == "Where":
            nodes += [helper.make_node("NonZero", [name], ["found"]),
                      helper.make_node("Transpose", ["found"], [out])]  # fmt: skip
            target, rank = TensorProto.INT64, [None, None]
        elif operator == "Weights":
            width = int(shape[-1] or 1)
            values = np.ones((width, size // 4 // width), np.float32)
            weights.append(helper.make_tensor("w", TensorProto.FLOAT, values.shape, values))
            nodes.append(helper.make_node("MatMul", [name, "w"], [out]))
        elif operator == "Branch":
            nodes += _branch(name, out)
            weights.append(helper.make_tensor("floor", TensorProto.FLOAT, [], [-1e9]))
        else:
            domain = "somebody" if operator == "Mystery" else ""
            nodes.append(helper.make_node(operator, [name], [out], domain=domain))
            target = kind(dtype)
        outputs.append(value(out, target, rank))
    graph = helper.make_graph(nodes, "graph", sources, outputs, weights)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("somebody", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if operator != "Mystery":
        checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _branch(name: str, out: str) -> list[Any]:
    from onnx import TensorProto, helper

    def sines(tag: str) -> Any:
        nodes = [helper.make_node("Sin", [name], [f"{tag}1"]),
                 helper.make_node("Sin", [f"{tag}1"], [f"{tag}2"])]  # fmt: skip
        result = helper.make_tensor_value_info(f"{tag}2", TensorProto.FLOAT, None)
        return helper.make_graph(nodes, tag, [], [result])

    return [
        helper.make_node("ReduceSum", [name], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "floor"], ["taken"]),
        helper.make_node("If", ["taken"], [out], then_branch=sines("a"), else_branch=sines("b")),
    ]


class _Tflite:
    """A subgraph under construction; all subgraphs of a file share its codes and buffers."""

    def __init__(self, codes: list[Any], buffers: list[Any]) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema, self.codes, self.buffers = schema, codes, buffers
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []

    def tensor(
        self, name: str, dtype: str, shape: Sequence[int | None], content: Any = None
    ) -> int:
        tensor = self.schema.TensorT()
        tensor.name, tensor.type = name, getattr(self.schema.TensorType, dtype.upper())
        tensor.shape = [1 if size is None else size for size in shape]
        if None in shape:
            tensor.shapeSignature = [-1 if size is None else size for size in shape]
        tensor.buffer = 0
        if content is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(content.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def node(self, operator: str, inputs: list[int], outputs: list[int], **options: Any) -> None:
        code, node = self.schema.OperatorCodeT(), self.schema.OperatorT()
        number = getattr(self.schema.BuiltinOperator, operator, None)
        if number is None:
            number, code.customCode = self.schema.BuiltinOperator.CUSTOM, operator
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        self.codes.append(code)
        node.opcodeIndex, node.inputs, node.outputs = len(self.codes) - 1, inputs, outputs
        if options:
            kind = options.pop("kind")
            node.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            node.builtinOptions = getattr(self.schema, f"{kind}T")()
            for key, value in options.items():
                setattr(node.builtinOptions, key, value)
        self.graph.operators.append(node)


def tflite_file(
    operator: str, inputs: Sequence[Input], *, scale: float = 0, zero_point: int = 0
) -> bytes:
    """A TFLite file that applies `operator` to each input, with one output each.

    "accumulate" adds the input of each query to a resource variable and returns the sum.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    codes: list[Any] = []
    buffers = [schema.BufferT()]
    main = _Tflite(codes, buffers)
    graphs = [main]
    for name, dtype, shape in inputs:
        source = main.tensor(name, dtype, shape)
        if scale:
            quantization = schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = [scale], [zero_point]
            main.graph.tensors[source].quantization = quantization
        if operator == "accumulate":
            graphs.append(_zeroed(codes, buffers, shape))
            target = _accumulated(main, source, shape)
        elif operator == "Where":
            target = main.tensor("found", "int64", [None, len(shape)])
            main.node("WHERE", [source], [target])
        elif operator == "Cast":
            target = main.tensor(f"out-{name}", "float32", shape)
            main.node("CAST", [source], [target])
        else:
            target = main.tensor(f"out-{name}", dtype, shape)
            main.node(operator, [source], [target])
        main.graph.inputs.append(source)
        main.graph.outputs.append(target)
    model = schema.ModelT()
    model.version, model.operatorCodes, model.buffers = 3, codes, buffers
    model.subgraphs = [one.graph for one in graphs]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _variable(graph: _Tflite) -> int:
    handle = graph.tensor("handle", "resource", [])
    graph.node("VAR_HANDLE", [], [handle], kind="VarHandleOptions", container="", sharedName="sum")
    return handle


def _zeroed(codes: list[Any], buffers: list[Any], shape: Sequence[int | None]) -> _Tflite:
    graph = _Tflite(codes, buffers)
    zero = graph.tensor("zero", "float32", shape, np.zeros([s or 1 for s in shape], np.float32))
    graph.node("ASSIGN_VARIABLE", [_variable(graph), zero], [])
    return graph


def _accumulated(graph: _Tflite, source: int, shape: Sequence[int | None]) -> int:
    graph.node("CALL_ONCE", [], [], kind="CallOnceOptions", initSubgraphIndex=1)
    handle = _variable(graph)
    before, after = graph.tensor("before", "float32", shape), graph.tensor("sum", "float32", shape)
    graph.node("READ_VARIABLE", [handle], [before])
    graph.node("ADD", [before, source], [after], kind="AddOptions")
    graph.node("ASSIGN_VARIABLE", [handle, after], [])
    return after
