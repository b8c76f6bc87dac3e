"""The operators of a `.tflite` file with what measures their rounding: weights, and int8 grids."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.formats.tflite.inspect import (
    EDGE_OPS,
    WEIGHT_SLOT,
    is_constant,
    layer_names,
    operator_name,
    read,
)
from targets.untyped import TfliteModel, TfliteOperator, TfliteTensor

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Int8Grid:
    scale: float
    zero_point: int

    def rounded(self, values: Values) -> Values:
        """`values` as int8 holds them."""
        integers = np.clip(np.round(values / self.scale) + self.zero_point, -128, 127)
        return np.asarray((integers - self.zero_point) * self.scale)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """An operator and its result."""

    kind: str
    tensor: str
    shape: tuple[int, ...]
    layers: tuple[str, ...]
    """The layers that it is named after, from the one that makes the result to the one that reads
    the input."""
    weights: Values | None
    """Real values of the constant that is multiplied with the activation."""
    grid: Int8Grid | None
    """None for a float result."""


def results(path: Path) -> Iterator[Result]:
    """The operators that calculate, in order: without conversions at the input and the output."""
    model = read(path)
    for operator in model.subgraphs[0].operators:
        if operator_name(model, operator) not in EDGE_OPS:
            yield _result(model, operator)


def _result(model: TfliteModel, operator: TfliteOperator) -> Result:
    tensors = model.subgraphs[0].tensors
    kind, made = operator_name(model, operator), tensors[operator.outputs[0]]
    named = [made]
    if kind in WEIGHT_SLOT:
        named.append(tensors[operator.inputs[WEIGHT_SLOT[kind]]])
    constant = len(named) > 1 and is_constant(model, named[1])
    return Result(
        kind=kind,
        tensor=made.name.decode(),
        shape=tuple(int(size) for size in made.shape),
        layers=tuple(name for tensor in named for name in layer_names(tensor)),
        weights=_real(model, named[1]) if constant else None,
        grid=_grid(made),
    )


def _grid(tensor: TfliteTensor) -> Int8Grid | None:
    from tensorflow.lite.python import schema_py_generated as schema

    found = tensor.quantization
    if tensor.type != schema.TensorType.INT8 or found is None or found.scale is None:
        return None
    return Int8Grid(float(found.scale[0]), int(found.zeroPoint[0]))


def _real(model: TfliteModel, tensor: TfliteTensor) -> Values | None:
    """A constant of int8 or float32; None for one of another type."""
    from tensorflow.lite.python import schema_py_generated as schema

    types = {schema.TensorType.INT8: np.int8, schema.TensorType.FLOAT32: np.float32}
    if tensor.type not in types:
        return None
    content = bytes(model.buffers[tensor.buffer].data)
    values = np.frombuffer(content, types[tensor.type]).reshape(tensor.shape).astype(np.float64)
    if tensor.type == schema.TensorType.FLOAT32:
        return values
    found = tensor.quantization
    per_channel = np.ones(values.ndim, int)
    per_channel[found.quantizedDimension] = -1 if len(found.scale) > 1 else 1
    scale, zero_point = (np.reshape(n, per_channel) for n in (found.scale, found.zeroPoint))
    return np.asarray((values - zero_point) * scale)
