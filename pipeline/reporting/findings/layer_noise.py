"""What int8 does to the signal of each layer, and what layers in float bring."""

from collections.abc import Sequence

from pipeline.engine.artifacts import FloatLayers
from pipeline.reporting.formatting import count, percent, times
from pipeline.reporting.schema.layer_noise import LayerNoise
from pipeline.reporting.schema.model_row import ModelRow
from targets.formats.input_kinds import Words

AGREE_DB = 1.0
"""Runtimes round sums differently, by a step each; ratios that far apart say the same."""


def by_file(rows: Sequence[LayerNoise]) -> dict[str, list[LayerNoise]]:
    files: dict[str, list[LayerNoise]] = {}
    for row in rows:
        files.setdefault(row.file, []).append(row)
    return files


def agreement(rows: Sequence[LayerNoise]) -> str:
    """Whether both formats show the same noise; empty without an ONNX file."""
    apart = {
        row.layer: abs(row.tflite_snr_db - row.onnx_snr_db)
        for row in rows
        if row.tflite_snr_db is not None and row.onnx_snr_db is not None
    }
    if not apart:
        return ""
    missing = sum(row.onnx_snr_db is None for row in rows)
    alone = f" {missing} results have no tensor of their own in ONNX." * bool(missing)
    differ = [f"{layer} ({db:.1f} dB)" for layer, db in apart.items() if db > AGREE_DB]
    if differ:
        return f"TFLite and ONNX differ behind {', '.join(differ)}.{alone}"
    return f"TFLite and ONNX agree within {max(apart.values()):.1f} dB behind every layer.{alone}"


def float_layers(found: FloatLayers, rows: Sequence[ModelRow], words: Words) -> str:
    """The layers of the mixed files, their accuracy, and their latency beside that of int8."""
    why = f" for convert.max_drop = {found.max_drop:g}" if found.max_drop is not None else ""
    costs = [cost for row in rows if (cost := _cost(row, rows))]
    return (
        f"student.mixed keeps {', '.join(found.layers)} in float{why} ({count(found.operators)} "
        f"float operators with those that read the results): {percent(found.mixed_top1)} % top-1 "
        f"on the {count(found.images)} validation {words.many}, int8 {percent(found.int8_top1)} %, "
        f"the float student {percent(found.float_top1)} %."
        + (f" Median latency over that of int8: {', '.join(costs)}." if costs else "")
    )


def _cost(row: ModelRow, rows: Sequence[ModelRow]) -> str:
    """Of one mixed file; empty where a latency is missing, or disturbed."""
    if row.precision != "mixed" or row.is_teacher:
        return ""
    name = row.name.replace(".mixed.", ".int8.")
    int8 = next((r for r in rows if (r.name, r.device) == (name, row.device)), None)
    if int8 is None or not row.median_ns or not int8.median_ns:
        return ""
    if not (row.valid and int8.valid):
        return f"{row.name} on {row.device} not known, because the times were disturbed"
    return f"{row.name} on {row.device} {times(row.median_ns / int8.median_ns)}"
