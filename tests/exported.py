"""Model files as a run records them."""

from pathlib import Path

from targets.files.digest import file_sha256
from targets.formats.record import ExportedModel


def student(path: Path) -> ExportedModel:
    """The record of a float32 file, as that of a student."""
    return ExportedModel(
        name=path.name,
        role="student",
        format=path.suffix[1:],
        precision="float32",
        file=path.name,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        parameters=None,
        macs=None,
    )
