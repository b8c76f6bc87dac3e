"""TFLite export, and what a `.tflite` file really holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from targets.errors import ProofError
from targets.inputs import InputSpec
from targets.quiet import quiet_stderr

Tensor = Any

EDGE_OPS = {"QUANTIZE", "DEQUANTIZE"}
INT8_TYPES = {"INT8", "UINT8", "INT32"}
"""INT32: the biases, which are int8 x int8 products."""


class Inspection(BaseModel):
    """What a file calculates in."""

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
    scales: dict[str, tuple[float, int]]
    """Per-tensor quantized activations: tensor name -> (scale, zero point)."""


def export_float(model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path) -> None:
    """Write `model` (normalised images to logits) as float32: raw values as float32 in."""
    import tensorflow as tf

    def serve(image: Tensor) -> Tensor:
        # As operators in the graph: folding them into the first convolution is wrong at the
        # padded borders.
        return model((image - float(spec.zero_point)) * spec.scale)

    converter = _converter(serve, spec, tf)
    path.write_bytes(_convert(converter))


def export_int8(model: Callable[[Tensor], Tensor], spec: InputSpec, path: Path) -> None:
    """Write a quantization-aware `model` as int8: raw uint8 in, float32 logits out.

    No representative data set: the ranges are in the model. Raises `ProofError` when an operator
    stayed in floating point or the input is not quantized as `spec` says.
    """
    import tensorflow as tf

    converter = _converter(model, spec, tf)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.float32
    try:
        path.write_bytes(_convert(converter))
    except ValueError as error:  # the converter's word for a model without ranges
        raise ProofError(f"{path.name}: int8 was asked for, but TFLite refuses: {error}") from error
    require_int8(path, spec)


def require_int8(path: Path, spec: InputSpec) -> Inspection:
    """The inspection of a file that must be int8 from end to end, or a `ProofError`."""
    seen = inspect(path)
    if seen.float_op_names or not seen.int8_ops:
        raise ProofError(
            f"{path.name}: int8 was asked for, but {seen.float_ops} operators are not: "
            f"{', '.join(seen.float_op_names) or 'none is int8'}. Nothing was published."
        )
    expected = ("UINT8", (1, *spec.shape), (spec.scale, spec.zero_point), "FLOAT32")
    found = (seen.input_dtype, seen.input_shape, seen.input_scale, seen.output_dtype)
    if found != expected:
        raise ProofError(
            f"{path.name}: input type, shape, (scale, zero point) and output type are {found}, not "
            f"{expected}. Nothing was published."
        )
    return seen


def inspect(path: Path) -> Inspection:
    """Open a `.tflite` and read from its own tables what every operator calculates in."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    graph = model.subgraphs[0]
    kinds = _names(schema.TensorType)
    operators = _names(schema.BuiltinOperator)

    def kind(index: int) -> str:
        return kinds[graph.tensors[index].type]

    float_ops, int8_ops = [], 0
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        # The old field holds at most 127; newer operators are in the new one.
        name = operators[max(code.builtinCode, code.deprecatedBuiltinCode)]
        used = {kind(i) for i in [*operator.inputs, *operator.outputs] if i >= 0}
        if name in EDGE_OPS:
            continue
        if used <= INT8_TYPES:
            int8_ops += 1
        elif any(kind.startswith("FLOAT") for kind in used):
            output = graph.tensors[operator.outputs[0]].name.decode()
            float_ops.append(f"{name} ({output})")
    return Inspection(
        int8_ops=int8_ops,
        float_ops=len(float_ops),
        float_op_names=tuple(float_ops),
        input_dtype=kind(graph.inputs[0]),
        input_shape=tuple(int(size) for size in graph.tensors[graph.inputs[0]].shape),
        input_scale=_scale(graph.tensors[graph.inputs[0]]),
        output_dtype=kind(graph.outputs[0]),
        scales=_scales(graph),
    )


def _scales(graph: Any) -> dict[str, tuple[float, int]]:
    scales = {tensor.name.decode(): _scale(tensor) for tensor in graph.tensors}
    return {name: scale for name, scale in scales.items() if scale is not None}


def _scale(tensor: Any) -> tuple[float, int] | None:
    """(scale, zero point) of a tensor that is quantized as a whole."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        return None
    return float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _names(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def _converter(serve: Callable[[Tensor], Tensor], spec: InputSpec, tf: Any) -> Any:
    signature = [tf.TensorSpec([1, *spec.shape], tf.float32, name="image")]

    # A function of our own with named ends: the names are part of the file's bytes.
    @tf.function(input_signature=signature)
    def logits(image: Tensor) -> Tensor:
        return tf.identity(serve(image), name="logits")

    concrete = logits.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], logits)


def _convert(converter: Any) -> bytes:
    with quiet_stderr():
        content: bytes = converter.convert()
    return content
