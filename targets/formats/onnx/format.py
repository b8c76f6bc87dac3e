"""ONNX, for ONNX Runtime. Int8 files are made from the TFLite file of the same precision."""

from pathlib import Path

from targets.errors import ProofError
from targets.formats import FORMATS
from targets.formats.contract import ExportContext, Operators, ServingFunction, SourceFile
from targets.formats.input_spec import InputSpec
from targets.formats.metadata import FileMetadata
from targets.formats.record import NetworkEnds, TensorNoise

name = "onnx"
precisions: tuple[str, ...] = ("float32", "dynamic", "int8", "mixed", "int8_ptq")
distributions: tuple[str, ...] = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert")
MADE_FROM = "tflite"
"""The format that int8 files are made from."""


def export(
    function: ServingFunction, precision: str, path: Path, *, context: ExportContext
) -> SourceFile | None:
    """The option `weights` is `uint8` (default) or `int8`: `qdq.export_int8`."""
    from targets.formats.onnx import dynamic, qdq

    if precision in ("float32", "dynamic"):
        write = qdq.export_float if precision == "float32" else dynamic.export_dynamic
        write(function.call, function.input, path)
        return None
    source = _source(function, precision, path, context)
    weights = context.options.get("weights", "uint8")
    mixed = precision == "mixed"
    rows = qdq.export_int8(source, path, weights=weights, mixed=mixed, spec=function.input)
    return SourceFile(path=source, scales=rows)


def _source(function: ServingFunction, precision: str, path: Path, context: ExportContext) -> Path:
    """The TFLite file beside `path`, or else one that is made in the scratch folder."""
    source = path.with_suffix(f".{MADE_FROM}")
    if source.name in context.refused:
        raise ProofError(f"{path.name}: is made from {source.name}, which is refused.")
    if not source.exists():
        source = context.scratch / source.name
        try:
            FORMATS[MADE_FROM].export(function, precision, source, context=context)
        except ProofError as error:
            raise ProofError(
                f"{path.name}: is made from a TFLite file, and that failed: {error}"
            ) from error
    return source


def add_probabilities(path: Path, *, temperature: float) -> None:
    from targets.formats.onnx.probabilities import add_probabilities as add

    add(path, temperature=temperature)


def inspect(path: Path) -> Operators:
    from targets.formats.onnx.inspect import inspect as inspected

    found = inspected(path)
    return Operators(int8_ops=found.int8_ops, float_ops=found.float_ops, front_ops=found.front_ops)


def lossy_layers(
    path: Path, function: ServingFunction, *, context: ExportContext
) -> tuple[str, ...]:
    return ()  # measured in the TFLite file that it is made from


def layer_noise(
    path: Path, source: Path | None, function: ServingFunction, *, context: ExportContext
) -> tuple[TensorNoise, ...]:
    from targets.formats.onnx.activations import values
    from targets.formats.tflite.format import float_reference
    from targets.formats.tflite.layer_noise import measure

    if source is None:
        return ()
    return measure(
        source,
        floats=float_reference(function, context),
        input=function.input,
        samples=context.samples,
        pair=values(path, context.samples),
    )


def saturating_products(path: Path) -> tuple[str, ...]:
    from targets.formats.onnx.products import saturating_products as found

    return found(path)


def take_apart(path: Path, spec: InputSpec, *, front_end: Path, network: Path) -> NetworkEnds:
    from targets.formats.onnx.apart import take_apart as taken

    return taken(path, spec, front_end=front_end, network=network)


def external_files(path: Path) -> tuple[str, ...]:
    from targets.formats.onnx.external_data import external_files as found

    return found(path)


def stamp(path: Path, to: Path, *, metadata: FileMetadata) -> None:
    from targets.formats.onnx.metadata import stamp as written

    written(path, to, metadata=metadata)


def stamped(path: Path) -> dict[str, str]:
    from targets.formats.onnx.metadata import stamped as found

    return found(path)
