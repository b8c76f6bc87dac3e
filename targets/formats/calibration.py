"""How many samples activation ranges are read from.

Apart from `formats`: training needs it too, and a change to an export must not train anything
again.
"""

from collections.abc import Sized

from targets.errors import InputError

CALIBRATED = ("int8_ptq", "int16x8")
"""Precisions whose activation ranges are read from samples while they are exported."""

MIN_CALIBRATION_SAMPLES = 256
"""Fewer real samples say too little about the extremes of an activation."""


def require_enough(samples: Sized, *, what: str, instead: str) -> None:
    """Raise `InputError` where `samples` are too few to calibrate with.

    `what` names them, and `instead` says how to go on without calibration.
    """
    if len(samples) < MIN_CALIBRATION_SAMPLES:
        raise InputError(
            f"{what}: {len(samples)} samples are too few to calibrate int8 with; at least "
            f"{MIN_CALIBRATION_SAMPLES} real ones are needed. Give more, or {instead}."
        )
