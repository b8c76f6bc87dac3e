"""One call for every format and precision: a file is written, and proved to be what was asked."""

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError
from targets.evaluation.parity import TooFewEqualError
from targets.formats.input_spec import InputSpec

if TYPE_CHECKING:
    from targets.formats.tflite.layer_losses import Loss

Samples = npt.NDArray[np.uint8]

CALIBRATION_SAMPLES = 1024
"""At most, for the precisions that are calibrated while they are exported."""


@dataclass(frozen=True)
class Source:
    """What is exported: a raw input, and the network as a function of what that stands for."""

    input: InputSpec
    serve: Callable[[Any], Any]


def export(
    target: str,
    precision: str,
    source: Source,
    path: Path,
    *,
    samples: Samples,
    scratch: Path,
    onnx_weights: Literal["uint8", "int8"] = "uint8",
    refused: Container[str] = (),
) -> Path | None:
    """Write `path`; for an ONNX file that is made from a TFLite file, the place of the latter.

    That is the file of this name beside it, or else one that is made in `scratch`, unless its name
    is among the `refused`. `samples` are raw ones that ranges are calibrated with.
    """
    from targets.formats.onnx import qdq
    from targets.formats.tflite import export as tflite

    match target, precision:
        case "tflite", "float32":
            tflite.export_float(source.serve, source.input, path)
        case "tflite", "float16":
            tflite.export_float16(source.serve, source.input, path)
        case "tflite", "dynamic":
            tflite.export_dynamic(source.serve, source.input, path)
        case "tflite", "int8":
            tflite.export_int8(source.serve, source.input, path)
        case "tflite", "int8_ptq":
            tflite.export_int8_ptq(source.serve, source.input, samples, path)
        case "tflite", "int16x8":
            tflite.export_int16x8(source.serve, source.input, samples, path)
        case "onnx", "float32":
            qdq.export_float(source.serve, source.input, path)
        case "onnx", "int8" | "int8_ptq":
            made_from = path.with_suffix(".tflite")
            if made_from.name in refused:
                raise ProofError(f"{path.name}: is made from {made_from.name}, which is refused.")
            if not made_from.exists():
                made_from = scratch / made_from.name
                with _made_for(path):
                    export("tflite", precision, source, made_from, samples=samples, scratch=scratch)
            qdq.export_int8(made_from, path, weights=onnx_weights)
            return made_from
        case _:
            raise ValueError(f"{target} cannot be {precision}")
    return None


@contextmanager
def _made_for(path: Path) -> Iterator[None]:
    try:
        yield
    except ProofError as error:
        raise ProofError(
            f"{path.name}: is made from a TFLite file, and that failed: {error}"
        ) from error


INSTEAD = {
    "int8": "Train it longer (quantize.epochs), or ask for int8_ptq.",
    "int8_ptq": "Ask for int16x8 (TFLite only): its activations have 16 bits.",
    "int16x8": "Ask for float16 or dynamic: their activations are float.",
    "dynamic": "Ask for float16.",
    "float16": "Ask for float32.",
}
"""Precision whose file does not answer as its network does -> what to try."""


@contextmanager
def saying_what_to_try(
    precision: str, source: Source, path: Path, *, samples: Samples, scratch: Path
) -> Iterator[None]:
    """Add to a `TooFewEqualError` what to try, and for int8_ptq the layers that lose most.

    `path` is the TFLite file, also where an ONNX file is made from it; `samples` are raw.
    """
    try:
        yield
    except TooFewEqualError as error:
        losses = _losses(source, path, samples, scratch) if precision == "int8_ptq" else []
        layers = ", ".join(map(str, losses))
        where = f" Most of the signal is lost in {layers}." if losses else ""
        raise TooFewEqualError(f"{error}{where} {INSTEAD[precision]}") from error


def _losses(source: Source, path: Path, samples: Samples, scratch: Path) -> "list[Loss]":
    from targets.formats.tflite import export as tflite
    from targets.formats.tflite.layer_losses import worst_layers

    floats = scratch / f"{path.name}.float32"
    try:
        tflite.export_float(source.serve, source.input, floats)
        return worst_layers(path, floats, samples)
    except (ProofError, RuntimeError, ValueError):  # the file's own error is told without them
        return []


def evenly(samples: Any, count: int = CALIBRATION_SAMPLES) -> Samples:
    """At most `count` of `samples`, evenly spaced: no seed decides what a file is."""
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int)
    return np.asarray(samples[chosen])


def operators(target: str, path: Path) -> tuple[int, int]:
    """How many operators of a file calculate in int8, and how many in floating point."""
    from targets.formats.onnx import qdq
    from targets.formats.tflite import export as tflite

    seen = tflite.inspect(path) if target == "tflite" else qdq.inspect(path)
    return seen.int8_ops, seen.float_ops
