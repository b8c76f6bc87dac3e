"""Write `report.json` and `report.html`: what came out, what it was measured to be."""

import json
import platform
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.engine.artifacts import Exports, Measured, Measurements, Report
from pipeline.engine.job import Job, Step
from pipeline.recipe.schema import Recipe
from pipeline.reporting.recommendation import recommend
from pipeline.reporting.table import SCHEMA
from targets.formats.record import ScaleRow, Scales

LIBRARIES = (
    "edge-distill",
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "ai-edge-litert",
    "numpy",
)


def run(cfg: Recipe, out: Path, *, job: Job, bench: Measurements) -> Report:
    assert job.history is not None
    exports = Exports.read(bench.exports)
    dataset = exports.dataset.model_dump(mode="json") | {"majority_share": bench.majority_share}
    rows = [_row(row, exports, cfg.seed) for row in bench.rows]
    report = {
        "schema": SCHEMA,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": cfg.model_dump(mode="json", by_alias=True),
        "seed": cfg.seed,
        "environment": _environment(bench),
        "wall_s": round(time.monotonic() - job.history.begun, 1),
        "stages": [_stage(step) for step in job.history.steps],
        "dataset": dataset,
        "recommended": [
            asdict(one) for one in recommend(rows, majority_share=bench.majority_share)
        ],
        "models": rows,
        "parity": [parity.model_dump(mode="json") for parity in exports.parity],
        "processors": [row.by_format() for row in exports.processors],
        "scales": [_scale(row) for row in exports.scales],
        "ablation": job.history.ablation,
        "gates": [],
        "notes": list(bench.notes),
    }
    text = json.dumps(report, indent=1) + "\n"
    (out / "report.json").write_text(text, encoding="utf-8")
    (out / "report.html").write_text(_html(report), encoding="utf-8")
    return Report(folder=out)


def _html(report: dict[str, Any]) -> str:
    from pipeline.reporting.page import render

    return render(report)


def _environment(bench: Measurements) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "devices": bench.devices,
        "failed_devices": bench.failed,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _stage(step: Step) -> dict[str, Any]:
    return {key: getattr(step, key) for key in ("name", "reused", "reason", "wall_s", "folder")}


def _row(row: Measured, exports: Exports, seed: int) -> dict[str, Any]:
    """One model on one device, in `report/1`; what is not measured yet is null."""
    model = next(m for m in exports.models if m.name == row.name)
    # The user's own file was made from nothing that is here.
    agreement = next((p.agreement for p in exports.parity if p.name == row.name), None)
    return {
        "name": row.name,
        "role": model.role,
        "variant": None,
        "seed": seed,
        "format": model.format,
        "precision": model.precision,
        "file": model.file,
        "sha256": model.sha256,
        "size_bytes": model.size_bytes,
        "parameters": model.parameters,
        "macs": model.macs,
        "top1": row.top1,
        "top1_ci": row.top1_ci,
        "agreement_with_teacher": row.agreement_with_teacher,
        "agreement_with_source": agreement,
        "kl_to_teacher": row.kl_to_teacher,
        "ece": row.ece,
        "negative_flip_rate": row.negative_flip_rate,
        "worst_class_change": row.worst_class_change,
        "accuracy_change": row.accuracy_change and row.accuracy_change.model_dump(),
        "device": row.device,
        "runtime": row.runtime,
        "threads": row.threads,
        "median_ns": row.median_ns,
        "median_ci": row.median_ci,
        "p90_ns": row.p90_ns,
        "latency_note": row.latency_note,
        "peak_memory_bytes": row.peak_memory_bytes,
        "speedup_vs_teacher": row.speedup_vs_teacher,
        "speedup_ci": row.speedup_ci,
        "speedup_verdict": row.speedup_verdict,
        "teacher_runtime": row.teacher_runtime,
        "valid": row.valid,
        "invalid_reasons": row.invalid_reasons,
        "blocks": row.blocks,
        "disturbances": row.disturbances,
    }


def _scale(row: ScaleRow) -> dict[str, Any]:
    """A tensor of the scale table; the ends of the range where it has a scale per channel."""
    ours, theirs = row.source_scales, row.file_scales
    return {
        "tensor": row.source,
        "kind": row.kind,
        "channels": next((side.channels for side in (ours, theirs) if side is not None), None),
        "tflite_scale": _ends(ours),
        "tflite_zero_point": ours.zero_point if ours else None,
        "onnx_tensor": row.file,
        "onnx_scale": _ends(theirs),
        "onnx_zero_point": theirs.zero_point if theirs else None,
        "equal": row.equal,
        "note": row.note,
    }


def _ends(scales: Scales | None) -> float | list[float] | None:
    if scales is None:
        return None
    one = scales.smallest == scales.largest
    return scales.smallest if one else [scales.smallest, scales.largest]
