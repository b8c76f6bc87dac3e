"""TFLite, for LiteRT, tflite-runtime and microcontrollers."""

from pathlib import Path

from targets.errors import ProofError
from targets.formats.contract import ExportContext, Operators, ServingFunction
from targets.formats.input_spec import InputSpec
from targets.formats.metadata import FileMetadata
from targets.formats.record import NetworkEnds, TensorNoise

name = "tflite"
precisions: tuple[str, ...] = (
    "float32",
    "float16",
    "dynamic",
    "int8",
    "mixed",
    "int8_ptq",
    "int16x8",
)
distributions: tuple[str, ...] = ("tensorflow", "ai-edge-litert")


def export(
    function: ServingFunction, precision: str, path: Path, *, context: ExportContext
) -> None:
    from targets.formats.tflite import export as tflite

    match precision:
        case "float32":
            tflite.export_float(function.call, function.input, path)
        case "float16":
            tflite.export_float16(function.call, function.input, path)
        case "dynamic":
            tflite.export_dynamic(function.call, function.input, path)
        case "int8":
            tflite.export_int8(function.call, function.input, path)
        case "mixed":
            tflite.export_mixed(function.call, function.input, function.float_layers, path)
        case "int8_ptq":
            tflite.export_int8_ptq(function.call, function.input, context.samples, path)
        case "int16x8":
            tflite.export_int16x8(function.call, function.input, context.samples, path)
        case _:
            raise ValueError(f"{name} cannot be {precision}")


def add_probabilities(path: Path, *, temperature: float) -> None:
    from targets.formats.tflite.probabilities import add_probabilities as add

    add(path, temperature=temperature)


def inspect(path: Path) -> Operators:
    from targets.formats.tflite.inspect import inspect as inspected

    found = inspected(path)
    return Operators(int8_ops=found.int8_ops, float_ops=found.float_ops, front_ops=found.front_ops)


def lossy_layers(
    path: Path, function: ServingFunction, *, context: ExportContext
) -> tuple[str, ...]:
    from targets.formats.tflite.layer_losses import worst_layers

    float_file = context.scratch / f"{path.name}.float32"
    try:
        export(function, "float32", float_file, context=context)
        return tuple(map(str, worst_layers(path, float_file, context.samples)))
    except (ProofError, RuntimeError, ValueError):  # the int8 file's own error is reported anyway
        return ()


def layer_noise(
    path: Path, source: Path | None, function: ServingFunction, *, context: ExportContext
) -> tuple[TensorNoise, ...]:
    from targets.formats.tflite.layer_noise import measure

    floats = float_reference(function, context)
    return measure(path, floats=floats, input=function.input, samples=context.samples)


def float_reference(function: ServingFunction, context: ExportContext) -> Path:
    """The float32 file of a network that takes real values: without its normalisation."""
    from targets.formats.tflite.export import export_float

    path = context.scratch / f"reference.{name}"
    export_float(function.call, function.input.of_network, path)
    return path


def saturating_products(path: Path) -> tuple[str, ...]:
    return ()  # LiteRT's kernels are exact on every processor


def take_apart(path: Path, spec: InputSpec, *, front_end: Path, network: Path) -> NetworkEnds:
    from targets.formats.tflite.apart import take_apart as taken

    return taken(path, spec, front_end=front_end, network=network)


def external_files(path: Path) -> tuple[str, ...]:
    return ()


def stamp(path: Path, to: Path, *, metadata: FileMetadata) -> None:
    from targets.formats.tflite.metadata import stamp as written

    written(path, to, metadata=metadata)


def stamped(path: Path) -> dict[str, str]:
    from targets.formats.tflite.metadata import stamped as found

    return found(path)
