"""What there is to measure with, what is missing, and the exact command that fixes each thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from targets.errors import EdgeDistillError


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    ok: bool | None
    """False: a measurement is not possible. None: a note that prevents nothing."""
    found: str
    remedy: str = ""


def in_order(checks: Sequence[Check]) -> bool:
    return all(check.ok is not False for check in checks)


def cannot_measure(device: str, error: EdgeDistillError) -> Check:
    """The check of a device that failed; the error's paragraph holds the remedy."""
    text = str(error).removeprefix(f"device {device}: ")
    return Check(name="measurable", ok=False, found="no", remedy=f"{text[:1].upper()}{text[1:]}")
