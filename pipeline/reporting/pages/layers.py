"""The page's part on the noise of int8 by layer."""

from collections.abc import Sequence

from pipeline.reporting.figures.layer_noise import worst
from pipeline.reporting.findings.layer_noise import agreement, by_file
from pipeline.reporting.tables import layer_noise
from targets.formats.record import TensorNoise

SHOWN = 10
"""Layers of a file that are not folded."""


def noise(rows: Sequence[TensorNoise]) -> dict[str, dict[str, object]]:
    """File -> its table, its bars and whether both formats agree."""
    return {file: _of_file(found) for file, found in by_file(rows).items()}


def _of_file(rows: Sequence[TensorNoise]) -> dict[str, object]:
    header, cells = layer_noise.noise(rows)
    return {
        "header": header,
        "worst": cells[:SHOWN],
        "others": cells[SHOWN:],
        "figure": worst(rows[:SHOWN]),
        "agreement": agreement(rows),
    }
