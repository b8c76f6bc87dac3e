"""The file formats of a deliverable. A format is one folder and one line here."""

from pathlib import Path

from targets.formats.contract import Format
from targets.registry import Registry


def _built_in() -> dict[str, Format]:
    from targets.formats.onnx import format as onnx
    from targets.formats.tflite import format as tflite

    return {"tflite": tflite, "onnx": onnx}


FORMATS: Registry[Format] = Registry("formats", noun="format", contract=Format, built_in=_built_in)
"""Every format by its name, in the order of export: a format may be made from an earlier one."""


def format_of(path: Path) -> str:
    """The name of a file's format, which may be one that is not known."""
    return path.suffix.lower().removeprefix(".")
