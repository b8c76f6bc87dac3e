"""`baseline/1`: what a run was measured to be, in a file that is small enough to commit."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, model_validator

from pipeline.gates.figures import (
    Measured,
    SkippedError,
    UnreliableError,
    block_median,
    block_p90,
)
from pipeline.gates.judging import general_files
from pipeline.reporting.schema.model_row import Part
from pipeline.reporting.schema.reading import read_json
from targets.files.published import published

SCHEMA: Final = "baseline/1"

Right = npt.NDArray[np.bool_]
Nanoseconds = Annotated[float, Field(ge=1, le=1e15)]
Bytes = Annotated[int, Field(ge=1, le=10**15)]


class BaselinePart(Part):
    model_config = ConfigDict(frozen=True, populate_by_name=True, allow_inf_nan=False)


class FileBaseline(BaselinePart):
    """One file on one device."""

    samples_sha256: str | None = None
    samples: Annotated[int, Field(ge=0, le=10**9)] = 0
    right: str = ""
    """Which test samples it has right: bits in base64, the first sample the highest bit."""
    conditions: str | None = None
    """The processor, the runtime and its threads: times are compared where they are the same."""
    medians_ns: tuple[Nanoseconds, ...] = ()
    """Of each process; empty where there is no reliable latency."""
    p90s_ns: tuple[Nanoseconds, ...] = ()
    no_times: str | None = None
    """Why there are none."""
    size_bytes: Bytes
    peak_memory_bytes: Bytes | None = None

    @model_validator(mode="after")
    def _a_bit_for_each_sample(self) -> Self:
        try:
            count = len(base64.b64decode(self.right, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ValueError("right is not base64") from error
        if count != (self.samples + 7) // 8:
            raise ValueError("right does not hold a bit for each sample")
        return self

    def right_samples(self) -> Right:
        bits = np.frombuffer(base64.b64decode(self.right), np.uint8)
        return np.unpackbits(bits)[: self.samples].astype(np.bool_)


class Baseline(BaselinePart):
    schema_: Literal["baseline/1"] = Field(default=SCHEMA, alias="schema")
    run: str
    """Name of the recipe."""
    devices: dict[str, dict[str, FileBaseline]]
    """Device -> file -> figures."""


def of(found: Sequence[Measured]) -> Baseline:
    """Of the files that gates are for: `general_files`."""
    general = {row.name for row in general_files([one.row for one in found])}
    devices: dict[str, dict[str, FileBaseline]] = {}
    for one in found:
        if one.row.name in general:
            devices.setdefault(one.row.device or "", {})[one.row.name] = file_baseline(one)
    return Baseline(run=str(found[0].report.recipe["name"]), devices=devices)


def file_baseline(one: Measured) -> FileBaseline:
    known = one.predictions is not None and one.row.name in one.predictions.models
    paired = one.paired() if known else None
    try:
        blocks, why = one.blocks(), None
    except (SkippedError, UnreliableError) as error:
        blocks, why = [], str(error)
    return FileBaseline(
        samples_sha256=paired and paired.samples_sha256,
        samples=len(paired.labels) if paired else 0,
        right=base64.b64encode(np.packbits(one.right()).tobytes()).decode() if paired else "",
        conditions=_conditions(one),
        medians_ns=tuple(map(block_median, blocks)),
        p90s_ns=tuple(map(block_p90, blocks)),
        no_times=why,
        size_bytes=one.row.size_bytes,
        peak_memory_bytes=one.row.peak_memory_bytes,
    )


def _conditions(one: Measured) -> str | None:
    if one.document is None:
        return None
    device = one.document.device
    return f"{device.model or device.abi}, {one.row.runtime}, {one.row.threads} threads"


def read(path: Path) -> Baseline:
    """Raises `InputError` for a file that is missing, damaged or of another schema."""
    missing = "Write it with `pipeline check RUN --baseline FILE --update-baseline`."
    return read_json(
        Baseline, path, what=f"a baseline of schema {SCHEMA}", place="--baseline ", missing=missing
    )


def write(baseline: Baseline, path: Path) -> None:
    with published(path, remedy="Give another file with --baseline.") as part:
        part.write_text(baseline.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
