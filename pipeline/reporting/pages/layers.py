"""The page's part on the noise of int8 by layer."""

from collections.abc import Sequence

from pipeline.reporting.findings.layer_noise import agreement, by_file
from pipeline.reporting.schema.layer_noise import LayerNoise
from pipeline.reporting.tables import layer_noise
from targets.evaluation.noise import LOW_DB

SHOWN = 10
"""Layers of a file that are not folded."""
LONGEST = 34
"""Characters of a name beside a bar."""


def noise(rows: Sequence[LayerNoise]) -> dict[str, dict[str, object]]:
    """File -> its table, its bars and whether both formats agree."""
    return {file: _of_file(found) for file, found in by_file(rows).items()}


def _of_file(rows: Sequence[LayerNoise]) -> dict[str, object]:
    header, cells = layer_noise.noise(rows)
    return {
        "header": header,
        "worst": cells[:SHOWN],
        "others": cells[SHOWN:],
        "bars": _bars(rows[:SHOWN]),
        "agreement": agreement(rows),
    }


def _bars(rows: Sequence[LayerNoise]) -> list[tuple[str, float, bool]]:
    """Layer, length of its bar up to 1, and whether it is low."""
    found = [(row.layer, db) for row in rows if (db := row.tflite_snr_db) is not None]
    longest = max([db for _, db in found], default=1.0)
    return [(_end(layer), max(0.0, db / max(longest, 1.0)), db < LOW_DB) for layer, db in found]


def _end(name: str) -> str:
    """What has room beside a bar: the beginnings of long names are alike."""
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"
