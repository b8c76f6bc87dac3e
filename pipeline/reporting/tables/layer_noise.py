"""The signal-to-noise ratio of int8 behind each layer as a table, worst first."""

from collections.abc import Sequence

from pipeline.reporting.formatting import NOT_MEASURED
from pipeline.reporting.schema.layer_noise import LayerNoise
from pipeline.reporting.tables.cells import Table

HEADER = ["layer", "TFLite, dB", "ONNX, dB", "own rounding, dB", "weights, dB"]


def noise(rows: Sequence[LayerNoise]) -> Table:
    return HEADER, [[row.layer, *map(_db, _ratios(row))] for row in rows]


def _ratios(row: LayerNoise) -> tuple[float | None, ...]:
    return row.tflite_snr_db, row.onnx_snr_db, row.own_snr_db, row.weights_snr_db


def _db(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.1f}"
