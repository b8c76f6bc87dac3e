"""The layers behind which int8 leaves the least signal, as bars."""

from collections.abc import Sequence

from pipeline.reporting.figures.drawing import HEADLINE, NOT_SHOWN, ROW, name_axis, picture
from targets.formats.record import TensorNoise

LOW_DB = 10.0
"""A bar below this, noise of a tenth of the signal, is emphasised."""


def worst(rows: Sequence[TensorNoise]) -> str:
    """Signal to noise of the first rows that have one, in the TFLite file."""
    found = [(row.layer, db) for row in rows if (db := row.tflite_snr_db) is not None]
    with picture(f"noise {rows[0].file}", 0.9 + 0.6 * ROW * len(found)) as drawn:
        axes = drawn.axes
        colours = [HEADLINE if db < LOW_DB else NOT_SHOWN for _, db in found]
        axes.barh(range(len(found)), [db for _, db in found], color=colours, height=0.6)
        name_axis(axes, [layer for layer, _ in found])
        axes.set_xlabel("signal to noise, dB")
    return drawn.svg
