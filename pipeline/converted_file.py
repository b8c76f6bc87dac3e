"""One file of a network that was there already: written, proved, compared, and said what it is."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError

if TYPE_CHECKING:
    from pipeline.datasets.images import ImagesFile
    from pipeline.teachers.loading import LoadedNetwork
    from targets.formats.record import ScaleRow
    from targets.inputs import InputSpec

Raw = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.floating[Any]]

CALIBRATION_SAMPLES = 1024
"""At most, evenly spaced over the data."""
FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float32 file's output, times the largest output where that is above 1."""
AGREEMENT = 0.95
"""Least share of equal labels of the other precisions: the upper end of its interval counts."""
FORMATS_AGREEMENT = 0.999
"""Least share of equal labels of the two int8 files, which are one quantized graph."""


@dataclass(frozen=True)
class Source:
    """What is exported: a raw input, and the network as a function of what that stands for."""

    input: "InputSpec"
    serve: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A loaded network with what its files are made from and compared with."""

    name: str
    network: "LoadedNetwork"
    exact: "Source"
    quantized: "Source"
    """For the int8 files."""
    samples: Raw
    data: "ImagesFile | None"
    expected: Logits
    folder: Path
    scratch: Path
    outputs: dict[str, Logits] = field(default_factory=dict)
    """Of every file that was compared, by its name."""


def write_file(work: Work, target: str, precision: str) -> dict[str, Any]:
    """Write one file, prove it, and say what it is."""
    from targets.bench.protocol import logits_of

    path = work.folder / "models" / f"{work.name}.{precision}.{target}"
    made_from = _export(work, target, precision, path)
    seen = work.outputs[path.name] = logits_of(path, target, work.samples, work.scratch)
    parity = _parity(work, path, precision, seen)
    scales: Sequence[ScaleRow] = ()
    if made_from is not None:
        scales = _same_graph(work, path, made_from)
    int8_ops, float_ops = _operators(target, path)
    return {
        "name": path.name,
        "format": target,
        "precision": precision,
        "file": path.relative_to(work.folder).as_posix(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        **parity,
        "top1": top1(work, seen),
        "int8_ops": int8_ops,
        "float_ops": float_ops,
        "scales": [row.model_dump() for row in scales],
    }


def _export(work: Work, target: str, precision: str, path: Path) -> Path | None:
    """Write the file; for an ONNX file that is made from a TFLite file, the latter."""
    from targets.formats import onnx_qdq, tflite

    path.parent.mkdir(parents=True, exist_ok=True)
    plain: dict[tuple[str, str], Callable[..., None]] = {
        ("tflite", "float32"): tflite.export_float,
        ("tflite", "float16"): tflite.export_float16,
        ("tflite", "dynamic"): tflite.export_dynamic,
        ("onnx", "float32"): onnx_qdq.export_float,
    }
    calibrated: dict[tuple[str, str], Callable[..., None]] = {
        ("tflite", "int8_ptq"): tflite.export_int8_ptq,
        ("tflite", "int16x8"): tflite.export_int16x8,
    }
    if (target, precision) in plain:
        plain[target, precision](work.exact.serve, work.exact.input, path)
        return None
    if (target, precision) in calibrated:
        source = work.quantized if precision == "int8_ptq" else work.exact
        calibrated[target, precision](source.serve, source.input, calibration(work), path)
        return None
    made_from = work.folder / "models" / f"{work.name}.{precision}.tflite"
    if not made_from.exists():
        made_from = work.scratch / made_from.name
        _export(work, "tflite", precision, made_from)
    onnx_qdq.export_int8(made_from, path)
    return made_from


def calibration(work: Work) -> Raw:
    step = max(1, len(work.samples) // CALIBRATION_SAMPLES)
    return work.samples[::step][:CALIBRATION_SAMPLES]


def _parity(work: Work, path: Path, precision: str, seen: Logits) -> dict[str, Any]:
    """The file in its runtime against the network: within the bounds, or a `ProofError`."""
    from targets import metrics

    agreement = metrics.agreement(work.expected, seen)
    difference = float(np.max(np.abs(work.expected - seen)))
    tolerance = FLOAT_TOLERANCE * max(1.0, float(np.max(np.abs(work.expected))))
    if precision == "float32":
        proved = difference <= tolerance and _only_ties(work.expected, seen, tolerance)
    else:
        proved = metrics.wilson_interval(agreement, len(seen))[1] >= AGREEMENT
    if not proved:
        raise ProofError(
            f"{path.name}: differs from the network it was made from: {100 * agreement:.2f} % "
            f"equal labels on {len(seen)} samples, outputs up to {difference:.3g} apart. Nothing "
            "was published."
        )
    return {"agreement": agreement, "max_abs_diff": difference}


def _only_ties(expected: Logits, seen: Logits, tolerance: float) -> bool:
    """Whether labels differ only where the network itself does not separate the two classes."""
    rows = np.arange(len(seen))
    lost = expected.max(axis=1) - expected[rows, seen.argmax(axis=1)]
    return bool(np.all(lost <= 2 * tolerance))


def _same_graph(work: Work, path: Path, made_from: Path) -> "Sequence[ScaleRow]":
    """The scale table of the two int8 files, which must give the same labels."""
    from targets import metrics
    from targets.bench.protocol import logits_of
    from targets.formats import onnx_qdq

    if made_from.name not in work.outputs:
        seen = logits_of(made_from, "tflite", work.samples, work.scratch)
        work.outputs[made_from.name] = seen
    share = metrics.agreement(work.outputs[made_from.name], work.outputs[path.name])
    if share < FORMATS_AGREEMENT:
        raise ProofError(
            f"{path.name}: gives the same labels as {made_from.name} for {100 * share:.2f} % of "
            f"{len(work.samples)} samples only, though both are one quantized graph. Nothing was "
            "published."
        )
    return onnx_qdq.scale_table(made_from, path)


def _operators(target: str, path: Path) -> tuple[int, int]:
    from targets.formats import onnx_qdq, tflite

    seen = tflite.inspect(path) if target == "tflite" else onnx_qdq.inspect(path)
    return seen.int8_ops, seen.float_ops


def top1(work: Work, outputs: Logits) -> float | None:
    from targets import metrics

    if work.data is None or work.data.labels is None:
        return None
    return metrics.top1(outputs, work.data.labels)
