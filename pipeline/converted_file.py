"""One file of a network that was there already: written, proved, compared, and said what it is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from targets.calibration import CALIBRATED
from targets.parity import require_parity, require_same_labels

if TYPE_CHECKING:
    from pipeline.datasets.images import ImagesFile
    from pipeline.teachers.loading import LoadedNetwork
    from targets.formats.export import Source
    from targets.formats.record import ScaleRow

Raw = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.floating[Any]]


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
    from targets.formats.export import export, operators

    path = work.folder / "models" / f"{work.name}.{precision}.{target}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if precision in CALIBRATED:
        work.network.require_integer_form(path.name)
    source = work.quantized if precision == "int8_ptq" else work.exact
    made_from = export(
        target, precision, source, path, samples=calibration(work), scratch=work.scratch
    )
    seen = work.outputs[path.name] = logits_of(path, target, work.samples, work.scratch)
    agreement, difference = require_parity(path.name, precision, expected=work.expected, seen=seen)
    scales: Sequence[ScaleRow] = ()
    if made_from is not None:
        scales = _same_graph(work, path, made_from)
    int8_ops, float_ops = operators(target, path)
    return {
        "name": path.name,
        "format": target,
        "precision": precision,
        "file": path.relative_to(work.folder).as_posix(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        "agreement": agreement,
        "max_abs_diff": difference,
        "top1": top1(work, seen),
        "int8_ops": int8_ops,
        "float_ops": float_ops,
        "scales": [row.model_dump() for row in scales],
    }


def calibration(work: Work) -> Raw:
    from targets.formats.export import evenly

    return evenly(work.samples)


def _same_graph(work: Work, path: Path, made_from: Path) -> "Sequence[ScaleRow]":
    """The scale table of the two int8 files, which must give the same labels."""
    from targets.bench.protocol import logits_of
    from targets.formats import onnx_qdq

    if made_from.name not in work.outputs:
        seen = logits_of(made_from, "tflite", work.samples, work.scratch)
        work.outputs[made_from.name] = seen
    require_same_labels(
        path.name,
        made_from.name,
        expected=work.outputs[made_from.name],
        seen=work.outputs[path.name],
    )
    return onnx_qdq.scale_table(made_from, path)


def top1(work: Work, outputs: Logits) -> float | None:
    from targets import metrics

    if work.data is None or work.data.labels is None:
        return None
    return metrics.top1(outputs, work.data.labels)
