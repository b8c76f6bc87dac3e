"""A format of one module: TFLite's bytes under another name, which LiteRT executes as well."""

from pathlib import Path

from targets.formats import FORMATS
from targets.formats.contract import ExportContext, Operators, ServingFunction
from targets.formats.input_spec import InputSpec
from targets.formats.metadata import FileMetadata
from targets.formats.record import NetworkEnds
from targets.runtimes import RUNTIMES, Runtime

name = "toy"
precisions: tuple[str, ...] = ("float32", "int8_ptq")
distributions: tuple[str, ...] = ("tensorflow",)

RUNTIME = Runtime(
    name="ai_edge_litert",
    session=RUNTIMES["ai_edge_litert"].session,
    requirements=RUNTIMES["ai_edge_litert"].requirements,
    formats=("toy",),
)


def export(
    function: ServingFunction, precision: str, path: Path, *, context: ExportContext
) -> None:
    FORMATS["tflite"].export(function, precision, path, context=context)


def add_probabilities(path: Path, *, temperature: float) -> None:
    FORMATS["tflite"].add_probabilities(path, temperature=temperature)


def inspect(path: Path) -> Operators:
    return FORMATS["tflite"].inspect(path)


def layer_noise(
    path: Path, source: Path | None, function: ServingFunction, *, context: ExportContext
) -> tuple[()]:
    return ()


def lossy_layers(
    path: Path, function: ServingFunction, *, context: ExportContext
) -> tuple[str, ...]:
    return ()


def saturating_products(path: Path) -> tuple[str, ...]:
    return ()


def take_apart(path: Path, spec: InputSpec, *, front_end: Path, network: Path) -> NetworkEnds:
    return FORMATS["tflite"].take_apart(path, spec, front_end=front_end, network=network)


def external_files(path: Path) -> tuple[str, ...]:
    return ()


def stamp(path: Path, to: Path, *, metadata: FileMetadata) -> None:
    FORMATS["tflite"].stamp(path, to, metadata=metadata)


def stamped(path: Path) -> dict[str, str]:
    return FORMATS["tflite"].stamped(path)
