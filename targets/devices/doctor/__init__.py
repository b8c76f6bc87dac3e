"""What is there to measure with, what is missing, and the exact command that mends each thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from targets.errors import EdgeDistillError

FORMATS = ("tflite", "onnx")


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    ok: bool | None
    """False: what was asked for cannot be done. None: worth knowing, and in nobody's way."""
    found: str
    remedy: str = ""


def in_order(checks: Sequence[Check]) -> bool:
    return all(check.ok is not False for check in checks)


def cannot_measure(device: str, error: EdgeDistillError) -> Check:
    """An error's paragraph is the remedy: it says what mends it."""
    said = str(error).removeprefix(f"device {device}: ")
    return Check(name="measurable", ok=False, found="no", remedy=f"{said[:1].upper()}{said[1:]}")
