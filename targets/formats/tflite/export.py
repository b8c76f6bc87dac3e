"""TFLite export, one function per precision; each proves in the file that it has this precision.

Every file takes raw samples and gives float32 logits. `model` is a function of `InputSpec.real` of
them. A front end is converted apart, in float, and put in front of the network in every precision.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.errors import ConversionError
from targets.formats.calibration import require_enough
from targets.formats.input_spec import InputSpec
from targets.formats.precisions import PRECISIONS
from targets.formats.tflite.ending import packed, with_float_ending
from targets.formats.tflite.front_end import with_front_end
from targets.formats.tflite.proofs import (
    require_dynamic,
    require_float16,
    require_int8,
    require_int16x8,
    require_mixed,
)
from targets.quiet import quiet_stderr
from targets.untyped import Tensor, TfConverter, TfGraph

Model = Callable[[Tensor], Tensor]
Samples = npt.NDArray[Any]


def export_float(model: Model, spec: InputSpec, path: Path) -> None:
    """Write `model` as float32: raw values as float32 in, tokens as int32."""
    _write(_float_converter(model, spec), path, "float32", spec)


def export_float16(model: Model, spec: InputSpec, path: Path) -> None:
    """Write `model` with float16 weights, which the runtime turns into float32 once: half the size.

    Raises `ProofError` when a large weight tensor stayed in float32.
    """
    import tensorflow as tf

    converter = _float_converter(model, spec)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    _write(converter, path, "float16", spec)
    require_float16(path)


def export_dynamic(model: Model, spec: InputSpec, path: Path) -> None:
    """Write `model` with int8 weights; activations are float32 between the operators.

    Raises `ProofError` when a weight tensor of 1,024 elements or more stayed in float, or where
    there is none: the converter leaves smaller ones alone, and the file would be a float one.
    """
    import tensorflow as tf

    converter = _float_converter(model, spec)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # Per channel it would be FULLY_CONNECTED version 12, which tflite-runtime 2.14 does not know.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    _write(converter, path, "dynamic", spec)
    require_dynamic(path)


def export_int8(model: Model, spec: InputSpec, path: Path) -> None:
    """Write a quantization-aware `model` as int8: raw uint8 in, float32 logits out. Waveforms and
    arrays are float32 in, tokens int32.

    No representative data set: the ranges are in the model. Raises `ProofError` when an operator
    of the network stayed in floating point or the input is not quantized as in `spec`.
    """
    _write(_int8_converter(model, spec), path, "int8", spec)
    require_int8(path, spec)


def export_mixed(
    model: Model, spec: InputSpec, float_layers: Mapping[str, frozenset[str]], path: Path
) -> None:
    """Write a quantization-aware `model` as `export_int8` does, but for `float_layers`
    (`ServingFunction.float_layers`), whose fake quantization is taken off in `model`.

    Raises `ProofError` when another operator is in floating point, or one of these is not.
    """
    _write(_int8_converter(model, spec), path, "mixed", spec)
    require_mixed(path, spec, float_layers)


def _int8_converter(model: Model, spec: InputSpec) -> TfConverter:
    import tensorflow as tf

    converter = _converter(model, spec.of_network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if spec.quantized:
        converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.float32
    return converter


def export_int8_ptq(model: Model, spec: InputSpec, samples: Samples, path: Path) -> None:
    """Write a float `model` as int8, with activation ranges from raw `samples` [n, *spec.shape].

    Raises `InputError` for fewer than 256 samples, `ConversionError` for a network with a loop,
    and `ProofError` as `export_int8` does.
    """
    import tensorflow as tf

    converter = _converter(model, spec.of_network, calibrated=path)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _representative(samples, spec, path)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if spec.quantized:
        converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.float32
    _write(converter, path, "int8_ptq", spec)
    require_int8(path, spec)


def export_int16x8(model: Model, spec: InputSpec, samples: Samples, path: Path) -> None:
    """Write a float `model` with int16 activations and int8 weights: raw values as float32 in.

    Raises `InputError` for fewer than 256 samples, and `ProofError` when an operator between the
    edges is not of these types.
    """
    import tensorflow as tf

    in_graph = spec.model_copy(update={"scale": 1.0, "zero_point": 0})
    converter = _float_converter(model, spec, calibrated=path)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    seen = spec if spec.front_end else in_graph
    converter.representative_dataset = _representative(samples, seen, path)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]
    _write(converter, path, "int16x8", spec)
    require_int16x8(path)


def with_both_ends(samples: Samples) -> Samples:
    """Raw 8-bit `samples` in which the smallest and the largest raw value both occur.

    Otherwise the input's range would be that of the samples, and its scale not the assigned one.
    Where one is missing, the first sample's first and last element are set: two of all.
    """
    low, high = np.iinfo(samples.dtype).min, np.iinfo(samples.dtype).max
    if not samples.size or (samples.min() == low and samples.max() == high):
        return samples
    changed = samples.copy()
    changed[0].flat[0], changed[0].flat[-1] = low, high
    return changed


def _representative(
    samples: Samples, spec: InputSpec, path: Path
) -> Callable[[], Iterator[list[Tensor]]]:
    require_enough(samples, what=path.name, instead="ask for float32, float16 or dynamic")
    samples = with_both_ends(samples) if spec.quantized else samples

    def each() -> Iterator[list[Tensor]]:
        for sample in samples:
            yield [spec.real(sample[np.newaxis].astype(spec.file_dtype))]

    return each


def _float_converter(
    model: Model, spec: InputSpec, *, calibrated: Path | None = None
) -> TfConverter:
    def serve(raw: Tensor) -> Tensor:
        # As operators in the graph: folding them into the first convolution is wrong at the
        # padded borders.
        return model(spec.real(raw))

    if spec.front_end is not None:
        return _converter(model, spec.of_network, calibrated=calibrated)
    return _converter(serve, spec, calibrated=calibrated)


def _converter(serve: Model, spec: InputSpec, *, calibrated: Path | None = None) -> TfConverter:
    import tensorflow as tf

    signature = [tf.TensorSpec([1, *spec.shape], spec.file_dtype, name=spec.name)]

    # A wrapper with named ends: the names are part of the file's bytes.
    @tf.function(input_signature=signature)
    def logits(image: Tensor) -> Tensor:
        return tf.identity(serve(image), name="logits")

    concrete = logits.get_concrete_function()
    if calibrated is not None and _has_loop(concrete.graph.as_graph_def()):
        raise ConversionError(
            f"{calibrated.name}: the network holds a loop (a recurrent layer), and TFLite's "
            "calibration ends the whole process on loops. Ask for float32, float16 or dynamic."
        )
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], logits)


def _has_loop(graph: TfGraph) -> bool:
    functions = [graph.node, *(function.node_def for function in graph.library.function)]
    return any("While" in node.op for nodes in functions for node in nodes)


REMEDIES = {
    "TensorList": "the loops of a recurrent SavedModel keep their open batch size: save .keras",
    "f16>": "the network calculates in 16 bits (mixed precision): save it with the dtype policy "
    "float32",
    "expected resource": "the SavedModel keeps a state, as random layers do: save .keras",
}
"""A part of the converter's error -> the cause and the remedy."""


def refusal(text: str) -> str:
    """The cause in a converter's error, without its source locations, and the remedy."""
    operators = dict.fromkeys(re.findall(r"'(tf\.\w+)' op is neither", text))
    cause = f"no form of {', '.join(operators)}" if operators else ""
    cause = cause or textwrap.shorten(next(iter(text.splitlines()), ""), 500, placeholder=" …")
    remedy = next((REMEDIES[word] for word in REMEDIES if word in text), "")
    return f"{cause.rstrip('.')} ({remedy})" if remedy else cause.rstrip(".")


def _write(converter: TfConverter, path: Path, precision: str, spec: InputSpec) -> None:
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        with quiet_stderr():
            content: bytes = converter.convert()
            front = None if spec.front_end is None else converted_front_end(spec)
    except (ValueError, RuntimeError, ConverterError) as error:
        # A ValueError also means a model without ranges.
        raise ConversionError(
            f"{path.name}: {precision} was asked for, but TFLite refuses: {refusal(str(error))}."
        ) from error
    content = with_float_ending(content) if PRECISIONS[precision].integer else content
    content = with_plain_names(content) if spec.kind == "tokens" else content
    path.write_bytes(content if front is None else with_front_end(content, front, spec))


def with_plain_names(content: bytes) -> bytes:
    """The file without the numbers that TensorFlow adds to the names of tables in each process."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    for tensor in model.subgraphs[0].tensors:
        tensor.name = re.sub(rb"(embedding_lookup)/\d+", rb"\1", tensor.name)
    return packed(model)


@cache
def converted_front_end(spec: InputSpec) -> bytes:
    """The file from raw values as float32 to the features of `spec.front_end`."""
    import tensorflow as tf

    signature = [tf.TensorSpec([1, *spec.shape], tf.float32, name=spec.name)]

    @tf.function(input_signature=signature)
    def features(raw: Tensor) -> Tensor:
        return tf.identity(spec.real(raw), name="features")

    concrete = features.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], features)
    content: bytes = converter.convert()
    return content
