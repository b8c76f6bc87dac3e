"""The operators of a `.tflite` file and their types, read from its own tables."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from targets.formats.front_end import PREFIX
from targets.untyped import TfliteGraph, TfliteModel, TfliteOperator, TfliteTensor

EDGE_OPS = {"QUANTIZE", "DEQUANTIZE"}
PROBABILITY_OPS = {"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC"}
"""Operators of the edge if behind the last DEQUANTIZE, where `with_float_ending` puts them, or if
they make a further output of the first one, as `add_probabilities` does."""
INT8_TYPES = {"INT8", "UINT8", "INT32", "BOOL"}
"""Types in int8 files. INT32: biases (int8 x int8 products). BOOL: integer comparisons (SELU)."""
EIGHT_BITS = {"INT8", "UINT8"}
"""Without one of them, an operator counts or compares: the steps of a loop."""
WEIGHT_SLOT = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
    "BATCH_MATMUL": 1,
}
"""Operator -> which of its inputs is multiplied with the activation."""


class Weights(BaseModel):
    """A constant tensor."""

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    elements: int
    front: bool = False
    """Whether it belongs to the front end."""
    multiplied: bool
    """Whether it is read as a matrix, a kernel or a table of vectors: `_multiplied`."""


class Operator(BaseModel):
    """An operator with the types of its tensors."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    output: str
    dtypes: frozenset[str]
    """Types of all its inputs and outputs."""
    calculated: frozenset[str]
    """Types of its inputs and outputs that are not constants."""
    edge: bool
    """Whether it converts the raw input, or integers to the float outputs."""
    weights: str | None
    """Type of the constant that is multiplied with the activation."""
    layers: frozenset[str]
    """Names of the layers in TensorFlow's graph that it is made from, as far as it shows them."""
    front: bool = False
    """Whether it belongs to the front end."""


class Inspection(BaseModel):
    """The operators and tensors of a file."""

    model_config = ConfigDict(frozen=True)

    int8_ops: int
    float_ops: int
    front_ops: int = 0
    """Operators of the front end, which count as neither; all are float32."""
    float_op_names: tuple[str, ...]
    """Operators with a floating-point tensor, edges left out, with the name of their output."""
    input_dtype: str
    input_shape: tuple[int, ...]
    input_scale: tuple[float, int] | None
    """(scale, zero point) of a quantized input."""
    output_dtype: str
    operators: tuple[Operator, ...]
    """Operators of all subgraphs: the bodies of loops are separate graphs."""
    constants: tuple[Weights, ...]


def inspect(path: Path) -> Inspection:
    """Read the types of all operators and constants from the file's tables."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = read(path)
    graph = model.subgraphs[0]
    kinds = _names(schema.TensorType)
    operators = tuple(_operators(model))
    between = [op for op in operators if not (op.edge or op.front)]
    floats = [op for op in between if any(kind.startswith("FLOAT") for kind in op.dtypes)]
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    return Inspection(
        int8_ops=sum(bool(op.dtypes & EIGHT_BITS) and op.dtypes <= INT8_TYPES for op in between),
        float_ops=len(floats),
        front_ops=sum(op.front for op in operators),
        float_op_names=tuple(f"{op.name} ({op.output})" for op in floats),
        input_dtype=kinds[source.type],
        input_shape=tuple(int(size) for size in source.shape),
        input_scale=scale_of(source),
        output_dtype=kinds[target.type],
        operators=operators,
        constants=tuple(_constants(model, kinds)),
    )


def read(path: Path) -> TfliteModel:
    """The file's tables as TensorFlow's generated objects."""
    from tensorflow.lite.python import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))


def operator_name(model: TfliteModel, operator: TfliteOperator) -> str:
    from tensorflow.lite.python import schema_py_generated as schema

    code = model.operatorCodes[operator.opcodeIndex]
    # The old field holds at most 127; newer operators are in the new one.
    return _names(schema.BuiltinOperator)[max(code.builtinCode, code.deprecatedBuiltinCode)]


def is_constant(model: TfliteModel, tensor: TfliteTensor) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _operators(model: TfliteModel) -> Iterator[Operator]:
    from tensorflow.lite.python import schema_py_generated as schema

    kinds = _names(schema.TensorType)
    endings = _endings(model)
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = operator_name(model, operator)
            tensors = [graph.tensors[i] for i in [*operator.inputs, *operator.outputs] if i >= 0]
            slot = WEIGHT_SLOT.get(name)
            multiplied = None if slot is None else graph.tensors[operator.inputs[slot]]
            constant = multiplied is not None and is_constant(model, multiplied)
            yield Operator(
                name=name,
                version=model.operatorCodes[operator.opcodeIndex].version,
                output=graph.tensors[operator.outputs[0]].name.decode(),
                dtypes=frozenset(kinds[t.type] for t in tensors),
                calculated=frozenset(kinds[t.type] for t in tensors if not is_constant(model, t)),
                edge=name in EDGE_OPS or any(operator is one for one in endings),
                weights=kinds[multiplied.type] if multiplied is not None and constant else None,
                layers=frozenset(
                    layer
                    for i in _naming(name, operator)
                    for layer in layer_names(graph.tensors[i])
                ),
                front=graph.tensors[operator.outputs[0]].name.decode().startswith(PREFIX),
            )


def _naming(name: str, operator: TfliteOperator) -> list[int]:
    """The tensors that are named after the layers of an operator: its result and its weights."""
    slot = WEIGHT_SLOT.get(name)
    return [operator.outputs[0], *([] if slot is None else [operator.inputs[slot]])]


def layer_names(tensor: TfliteTensor) -> list[str]:
    """The layers that a tensor is named after, the last of fused ones first:
    `model/layer/operator;model/layer/operator`."""
    parts = [part.split("/") for part in tensor.name.decode().split(";")]
    return [part[1] for part in parts if len(part) > 2]


def _endings(model: TfliteModel) -> list[TfliteOperator]:
    """The operators that make probabilities of the output of the last DEQUANTIZE, or of the first
    output."""
    graph = model.subgraphs[0]
    made_by = {int(op.outputs[0]): op for op in graph.operators}
    first, *others = map(int, graph.outputs)
    return [
        op
        for op in (made_by.get(output) for output in (first, *others))
        if op is not None
        and operator_name(model, op) in PROBABILITY_OPS
        and (
            _is_dequantized(model, made_by.get(int(op.inputs[0])))
            if int(op.outputs[0]) == first
            else int(op.inputs[0]) == first
        )
    ]


def _is_dequantized(model: TfliteModel, before: TfliteOperator | None) -> bool:
    return before is not None and operator_name(model, before) == "DEQUANTIZE"


def _constants(model: TfliteModel, kinds: dict[int, str]) -> Iterator[Weights]:
    for graph in model.subgraphs:
        multiplied = _multiplied(model, graph)
        for index, tensor in enumerate(graph.tensors):
            if is_constant(model, tensor):
                yield Weights(
                    name=tensor.name.decode(),
                    dtype=kinds[tensor.type],
                    elements=prod(_shape(tensor)),
                    front=tensor.name.decode().startswith(PREFIX),
                    multiplied=index in multiplied,
                )


def _multiplied(model: TfliteModel, graph: TfliteGraph) -> set[int]:
    """The tensors that are read as a matrix, a kernel or a table of vectors.

    Without tensors that are only added (biases, positions), vectors outside `WEIGHT_SLOT` (the
    scale or the limit of each channel), and zeros, with which the results of a loop begin. What any
    other operator reads counts: a list of operators with weights would miss one.
    """
    found = set()
    for operator in graph.operators:
        name = operator_name(model, operator)
        for slot, index in enumerate(operator.inputs):
            if slot == WEIGHT_SLOT.get(name) or not (
                name in ("ADD", "SUB") or _is_vector_or_zeros(model, graph, int(index))
            ):
                found.add(int(index))
    return found


def _is_vector_or_zeros(model: TfliteModel, graph: TfliteGraph, index: int) -> bool:
    if index < 0:
        return True
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    is_vector = sum(size > 1 for size in _shape(tensor)) <= 1
    return is_vector or (data is not None and not any(data))


def _shape(tensor: TfliteTensor) -> list[int]:
    return [int(size) for size in ([] if tensor.shape is None else tensor.shape)]


def scale_of(tensor: TfliteTensor) -> tuple[float, int] | None:
    """(scale, zero point) of a tensor that is quantized as a whole."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        return None
    return float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}
