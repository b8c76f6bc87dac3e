"""`convert.json`, schema `convert/2`: the network, its files, and what they are proved to be."""

import json
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

if TYPE_CHECKING:
    from pipeline.export.exporter import ProvedFile, Refused

NAME = "convert.json"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class NetworkSummary(Section):
    file: str
    path: str
    """Path relative to the folder of `convert.json`: both can be moved together."""
    signature: str | None
    """Signature of a SavedModel; null is its default."""
    changes: tuple[str, ...]
    """Differences of the converted network from the file."""
    kind: str
    input_shape: tuple[int, ...]
    classes: int
    top1: float | None
    """Null without labels."""


class InputSummary(Section):
    raw: str
    scale: float
    offset: float
    """The network gets raw * scale + offset."""


class Comparison(Section):
    what: str
    sha256: str | None
    samples: int
    calibration_samples: int | None


class ConvertedFile(Section):
    """`file` is null where `reason` states why it is not proved; the other keys are then null."""

    name: str
    format: str
    precision: str
    file: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    agreement: float | None = None
    max_abs_diff: float | None = None
    top1: float | None = None
    int8_ops: int | None = None
    float_ops: int | None = None
    scales: tuple[dict[str, JsonValue], ...] | None = None
    """`ScaleRow.by_format`; empty for a file that was not made from another one."""
    reason: str | None = None


class Conversion(Section):
    schema_: Literal["convert/2"] = Field(default="convert/2", alias="schema")
    model: NetworkSummary
    input: InputSummary
    compared_on: Comparison
    files: tuple[ConvertedFile, ...]
    libraries: dict[str, str]

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(file.reason for file in self.files if file.reason is not None)

    def json_tree(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)

    def text(self) -> str:
        return json.dumps(self.json_tree(), indent=1) + "\n"


def converted_file(file: "ProvedFile | Refused", *, top1: float | None = None) -> ConvertedFile:
    from pipeline.export.exporter import Refused

    if isinstance(file, Refused):
        return ConvertedFile(
            name=file.name,
            format=file.format,
            precision=file.precision,
            reason=str(file.error),
        )
    record, parity = file.record, file.parity[0]
    source = "" if file.source is None else file.source.format
    return ConvertedFile(
        name=record.name,
        format=record.format,
        precision=record.precision,
        file=record.file,
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        agreement=parity.agreement,
        max_abs_diff=parity.max_abs_diff,
        top1=top1,
        int8_ops=parity.int8_ops,
        float_ops=parity.float_ops,
        scales=tuple(row.by_format(source=source, file=record.format) for row in file.scales),
    )
