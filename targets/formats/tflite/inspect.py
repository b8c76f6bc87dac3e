"""The types in a `.tflite` file, read from its own tables, and the proofs of a precision."""

import re
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from targets.errors import ProofError
from targets.formats.input_spec import InputSpec
from targets.untyped import TfliteGraph, TfliteModel, TfliteOperator, TfliteTensor

EDGE_OPS = {"QUANTIZE", "DEQUANTIZE"}
PROBABILITY_OPS = {"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC"}
"""Behind the last DEQUANTIZE they are part of the edge: `with_float_ending` puts them there."""
INT8_TYPES = {"INT8", "UINT8", "INT32", "BOOL"}
"""INT32: the biases, which are int8 x int8 products. BOOL: comparisons of integers (in SELU)."""
INT16_TYPES = {"INT16", "INT32", "INT64"}
"""INT64: the biases, which are int16 x int8 products."""
WEIGHT_SLOT = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
    "BATCH_MATMUL": 1,
}
"""Operator -> which of its inputs is multiplied with the activation."""

ACTIVATIONS = ("elu", "selu", "celu", "softplus", "softsign", "mish")
"""Some have no int8 form in TFLite."""

LARGE = 1024
"""Elements from which on the converter quantizes a weight tensor without calibration."""


class Weights(BaseModel):
    """A constant tensor."""

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    elements: int
    multiplied: bool
    """Whether it is read as a matrix or a kernel; a bias and a scale per channel are not."""


class Operator(BaseModel):
    """An operator with the types of its tensors."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    output: str
    dtypes: frozenset[str]
    """Of all its inputs and outputs."""
    calculated: frozenset[str]
    """Of its inputs and outputs that are not constants."""
    edge: bool
    """Whether it converts the raw input, or integers to the float outputs."""
    weights: str | None
    """Type of the constant that is multiplied with the activation."""


class Inspection(BaseModel):
    """The operators and tensors of a file."""

    model_config = ConfigDict(frozen=True)

    int8_ops: int
    float_ops: int
    float_op_names: tuple[str, ...]
    """Operators with a floating-point tensor, edges left out, with the name of their output."""
    input_dtype: str
    input_shape: tuple[int, ...]
    input_scale: tuple[float, int] | None
    """(scale, zero point) of a quantized input."""
    output_dtype: str
    operators: tuple[Operator, ...]
    """Of all subgraphs: the bodies of loops are graphs of their own."""
    constants: tuple[Weights, ...]


def inspect(path: Path) -> Inspection:
    """Read the types of all operators and constants from the file's tables."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = read(path)
    graph = model.subgraphs[0]
    kinds = _names(schema.TensorType)
    operators = tuple(_operators(model))
    between = [op for op in operators if not op.edge]
    floats = [op for op in between if any(kind.startswith("FLOAT") for kind in op.dtypes)]
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    return Inspection(
        int8_ops=sum(op.dtypes <= INT8_TYPES for op in between),
        float_ops=len(floats),
        float_op_names=tuple(f"{op.name} ({op.output})" for op in floats),
        input_dtype=kinds[source.type],
        input_shape=tuple(int(size) for size in source.shape),
        input_scale=_scale(source),
        output_dtype=kinds[target.type],
        operators=operators,
        constants=tuple(_constants(model, kinds)),
    )


def require_float16(path: Path) -> Inspection:
    """The inspection of a file whose large weights are all float16, or a `ProofError`.

    Every constant of 1,024 floating-point elements or more counts, and one at least, of any size,
    must be float16. Smaller ones may be what the graph was built from (a normalisation, a limit).
    """
    found = inspect(path)
    wrong = [
        c for c in found.constants if c.dtype in ("FLOAT32", "FLOAT64") and c.elements >= LARGE
    ]
    if not any(c.dtype == "FLOAT16" for c in found.constants):
        raise _not_as_asked(path, "float16", "the file holds no float16 tensor")
    if wrong:
        raise _not_as_asked(path, "float16", f"these weights are not: {_listed(wrong)}")
    return found


def require_dynamic(path: Path) -> Inspection:
    """The inspection of a file whose large weights are all int8, or a `ProofError`.

    Biases and constants per channel are float by design, whatever their size.
    """
    found = inspect(path)
    large = [c for c in found.constants if c.multiplied and c.elements >= LARGE]
    wrong = [c for c in large if c.dtype.startswith("FLOAT")]
    if wrong:
        raise _not_as_asked(path, "dynamic", f"these weights stay in float: {_listed(wrong)}")
    if not any(c.dtype == "INT8" for c in large):
        raise _not_as_asked(
            path,
            "dynamic",
            f"no weight tensor of the network has {LARGE:,} elements or more, and TFLite leaves "
            "smaller ones in float; ask for float16 or int8_ptq instead",
        )
    return found


def require_int8(path: Path, spec: InputSpec) -> Inspection:
    """The inspection of a file that must be int8 from end to end, or a `ProofError`."""
    found = inspect(path)
    if found.float_op_names or not found.int8_ops:
        floats = ", ".join(found.float_op_names) or "none is int8"
        reason = f"{found.float_ops} operators are not: {floats}. {instead(found.float_op_names)}"
        raise _not_as_asked(path, "int8", reason)
    other = [op for op in _between(found) if not op.dtypes <= INT8_TYPES]
    if other:
        reason = f"these operators are of other types: {_typed(other)}"
        raise _not_as_asked(path, "int8", f"{reason}. {instead(op.output for op in other)}")
    expected = ("UINT8", (1, *spec.shape), (spec.scale, spec.zero_point), "FLOAT32")
    scale = _rounded(found.input_scale, spec)
    actual = (found.input_dtype, found.input_shape, scale, found.output_dtype)
    if actual != expected:
        raise ProofError(
            f"{path.name}: input type, shape, (scale, zero point) and output type are {actual}, "
            f"not {expected}."
        )
    return found


def instead(names: Iterable[str]) -> str:
    """The remedy for operators without an int8 form, from the names of their outputs."""
    words = {word.lower() for name in names for word in re.findall(r"[A-Za-z]+", name)}
    found = [activation for activation in ACTIVATIONS if activation in words]
    if found:
        return (
            f"This is the activation {', '.join(found)}: train the network with relu or relu6 in "
            "its place, or ask for float16 or dynamic"
        )
    return "Train the network without them, or ask for float16 or dynamic"


def require_int16x8(path: Path) -> Inspection:
    """The inspection of a file of int16 activations and int8 weights, or a `ProofError`."""
    found = inspect(path)
    wrong = [op for op in _between(found) if not _is_int16x8(op)]
    if wrong:
        raise _not_as_asked(path, "int16x8", f"these operators are not: {_typed(wrong)}")
    if not any(op.weights == "INT8" and "INT16" in op.calculated for op in found.operators):
        raise _not_as_asked(path, "int16x8", "no operator multiplies int16 with int8")
    return found


def _between(found: Inspection) -> list[Operator]:
    return [op for op in found.operators if not op.edge]


def _is_int16x8(op: Operator) -> bool:
    return op.calculated <= INT16_TYPES and op.weights in (None, "INT8")


def _typed(operators: list[Operator]) -> str:
    return ", ".join(f"{op.name} ({op.output}: {', '.join(sorted(op.dtypes))})" for op in operators)


def _listed(constants: list[Weights]) -> str:
    return ", ".join(f"{c.name} ({c.elements:,} elements, {c.dtype})" for c in constants)


def _not_as_asked(path: Path, precision: str, reason: str) -> ProofError:
    return ProofError(f"{path.name}: {precision} was asked for, but {reason}.")


def _rounded(found: tuple[float, int] | None, spec: InputSpec) -> tuple[float, int] | None:
    """The scale of `spec`, where it differs in the last two places of a float32 only: the converter
    calculates it from the ends of the range."""
    if found is None or abs(found[0] - spec.scale) > 2**-22 * spec.scale:
        return found
    return spec.scale, found[1]


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
    ending = _ending(model)
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
                edge=name in EDGE_OPS or operator is ending,
                weights=kinds[multiplied.type] if multiplied is not None and constant else None,
            )


def _ending(model: TfliteModel) -> TfliteOperator | None:
    """The operator that makes probabilities of the output of the last DEQUANTIZE, if any."""
    graph = model.subgraphs[0]
    made_by = {int(op.outputs[0]): op for op in graph.operators}
    last = made_by.get(int(graph.outputs[0]))
    if last is None or operator_name(model, last) not in PROBABILITY_OPS:
        return None
    before = made_by.get(int(last.inputs[0]))
    return last if before is not None and operator_name(model, before) == "DEQUANTIZE" else None


def _constants(model: TfliteModel, kinds: dict[int, str]) -> Iterator[Weights]:
    for graph in model.subgraphs:
        multiplied = _multiplied(model, graph)
        for index, tensor in enumerate(graph.tensors):
            if is_constant(model, tensor):
                yield Weights(
                    name=tensor.name.decode(),
                    dtype=kinds[tensor.type],
                    elements=prod(_shape(tensor)),
                    multiplied=index in multiplied,
                )


def _multiplied(model: TfliteModel, graph: TfliteGraph) -> set[int]:
    """The tensors that are read as a matrix or a kernel.

    Without tensors that are only added (biases, position embeddings) and vectors outside
    `WEIGHT_SLOT` (the scale or the limit of each channel): TFLite keeps these in float wherever
    the activation is float.
    """
    found = set()
    for operator in graph.operators:
        name = operator_name(model, operator)
        for slot, index in enumerate(operator.inputs):
            vector = index < 0 or sum(size > 1 for size in _shape(graph.tensors[index])) <= 1
            if slot == WEIGHT_SLOT.get(name) or not (vector or name in ("ADD", "SUB")):
                found.add(int(index))
    return found


def _shape(tensor: TfliteTensor) -> list[int]:
    return [int(size) for size in ([] if tensor.shape is None else tensor.shape)]


def _scale(tensor: TfliteTensor) -> tuple[float, int] | None:
    """(scale, zero point) of a tensor that is quantized as a whole."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        return None
    return float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}
