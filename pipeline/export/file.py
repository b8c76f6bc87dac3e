"""One file of a network that was there already: written and proved, or refused with the reason."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from targets.errors import DeviceError, ProofError
from targets.evaluation.parity import require_parity, require_same_labels
from targets.formats.calibration import CALIBRATED

if TYPE_CHECKING:
    from pipeline.datasets.images import ImagesFile
    from pipeline.teachers.loading import LoadedNetwork
    from targets.formats.export import Source
    from targets.formats.record import ScaleRow

Raw = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.floating[Any]]


COLUMNS = (
    "name", "format", "precision", "file", "sha256", "size_bytes", "agreement", "max_abs_diff",
    "top1", "int8_ops", "float_ops", "scales", "reason",
)  # fmt: skip
"""Of a file in `convert.json`; null is what is not known of a file that is not there."""


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
    refused: set[str] = field(default_factory=set)
    """Names of the files that could not be proved."""

    def path(self, target: str, precision: str) -> Path:
        return self.folder / "models" / f"{self.name}.{precision}.{target}"


def write_file(work: Work, target: str, precision: str) -> dict[str, Any]:
    """The row of one file that was written and proved; else `file` is null, and `reason` says why.

    A file stands alone: that one cannot be proved takes nothing from the others.
    """
    path = work.path(target, precision)
    path.parent.mkdir(parents=True, exist_ok=True)
    row = dict.fromkeys(COLUMNS) | {"name": path.name, "format": target, "precision": precision}
    try:
        return row | _proved(work, target, precision)
    except (ProofError, DeviceError) as error:  # the latter: its runtime cannot run it
        path.unlink(missing_ok=True)
        work.refused.add(path.name)
        return row | {"reason": str(error)}


def _proved(work: Work, target: str, precision: str) -> dict[str, Any]:
    from targets.bench.plan import logits_of
    from targets.formats.export import export, operators, saying_what_to_try

    path = work.path(target, precision)
    if precision in CALIBRATED:
        work.network.require_integer_form(path.name)
    source = work.quantized if precision == "int8_ptq" else work.exact
    given: dict[str, Any] = {"samples": calibration(work), "scratch": work.scratch}
    made_from = export(target, precision, source, path, refused=work.refused, **given)
    seen = work.outputs[path.name] = logits_of(path, target, work.samples, work.scratch)
    with saying_what_to_try(precision, source, made_from or path, **given):
        agreement, difference = require_parity(
            path.name, precision, expected=work.expected, actual=seen
        )
    scales: Sequence[ScaleRow] = ()
    if made_from is not None:
        scales = _same_graph(work, path, made_from)
    int8_ops, float_ops = operators(target, path)
    return {
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
    from targets.bench.plan import logits_of
    from targets.formats.onnx import qdq

    if made_from.name not in work.outputs:
        seen = logits_of(made_from, "tflite", work.samples, work.scratch)
        work.outputs[made_from.name] = seen
    require_same_labels(
        path.name,
        made_from.name,
        expected=work.outputs[made_from.name],
        actual=work.outputs[path.name],
    )
    return qdq.scale_table(made_from, path)


def top1(work: Work, outputs: Logits) -> float | None:
    from targets.evaluation import metrics

    if work.data is None or work.data.labels is None:
        return None
    # Of one output: a file counts at the network's threshold, not at one of its own.
    threshold = metrics.binary_threshold(work.expected) if work.expected.shape[1] == 1 else None
    return metrics.top1(outputs, work.data.labels, threshold=threshold)
