"""`bench-result/1`: everything that was measured on one device, raw samples included.

Times are integer nanoseconds (medians and means may lie between two), memory is bytes, frequency
Hz. Absent is null, never 0. `summary` and `comparison` can be computed again from `blocks` and
`memory` (`targets.bench.summary`). `BenchResult.model_json_schema()` says what every key means.
"""

from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, Self

import pydantic_core
from pydantic import Field, ValidationError, model_validator

from targets.bench.record import AccuracyPass, Block, MemoryPass, ProfilePass, Section
from targets.bench.summary import ComparisonRow, SummaryRow
from targets.errors import InputError

SCHEMA: Final = "bench-result/1"


class Tool(Section):
    name: str
    """Of the program that measured."""
    version: str
    """Of that program."""
    git: str | None = None
    """Commit it was built from; null where it is not known."""


class ProtocolUsed(Section):
    scenario: Literal["single_stream"]
    """The next query begins when the last one is done; of one sample, but for models that say
    otherwise."""
    tier: Literal["rapid", "quick", "normal"] | None
    """Of MLPerf Mobile, whose limits these are; null: limits of the user's own."""
    processes: int
    """Fresh processes per model, the unit of replication: blocks that are asked for."""
    threads: int | None = None
    """Per process; null where it is not the same for all blocks (each says its own)."""
    min_queries: int
    """Over all processes of a model together, as are the durations."""
    min_duration_ns: int
    """Least time of the measured part."""
    max_duration_ns: int
    """Longest time of the measured part, whatever the minimums."""
    warmup_min_runs: int
    """Queries before the measured part, per process."""
    warmup_min_ns: int
    """Time before the measured part, per process; both minimums hold."""
    interleaved: bool
    """Whether the models take turns, in seeded random order within a round."""
    seed: int
    """Of the order of models and samples."""
    boundary: Literal["host_array_to_host_array"]
    """What one timed query is."""


class Cpu(Section):
    id: int
    """As the operating system numbers it."""
    max_hz: int | None
    """Highest frequency of the hardware."""
    governor: str | None
    """Frequency governor."""


class Device(Section):
    adapter: str
    """How it is reached: `local`, `ssh`, `adb`."""
    id: str
    """Its name there."""
    model: str | None
    """Of the board, else of the CPU."""
    soc: str | None = None
    """System on a chip."""
    abi: str
    """`x86_64`, `aarch64`, `armv7l`, `arm64-v8a`."""
    userland_bits: int | None = None
    """Pointer size: a 64-bit kernel may have a 32-bit userland."""
    os: str | None
    """Operating system."""
    kernel: str | None
    """Release of the kernel."""
    libc: str | None
    """C library and version."""
    python: str | None = None
    """Version of the interpreter that measures."""
    cpus: tuple[Cpu, ...]
    """Those that a measuring process may use."""
    cpu_features: tuple[str, ...] | None = None
    """Of the processor, those that decide how int8 is multiplied: `AVX2`, `VNNI`, `dotprod`; null
    where they cannot be read."""
    mem_total_bytes: int | None
    """Main memory."""
    context: str | None = None
    """How processes are started: `login-shell`, `adb-shell`."""
    loadavg1: float | None = None
    """1-minute load average before anything was measured."""
    emulated: bool
    """Whether another machine's CPU is imitated: its times mean nothing."""
    rooted: bool | None = None
    """Whether commands run as root."""


class Tensor(Section):
    name: str
    """As the file calls it."""
    shape: tuple[int | None, ...]
    """Null for a dimension that is open."""
    dtype: str
    """As numpy calls it."""
    quantization: tuple[float, int] | None
    """(scale, zero point); null where there is none or one per channel."""


class Model(Section):
    name: str
    """By which blocks and rows refer to it."""
    role: str | None = None
    """`teacher`, `student` or `student_qat`; null of a file that nobody told us about."""
    format: str
    """`tflite` or `onnx`."""
    precision: str | None = None
    """`float32`, `int8`, `dynamic`, ..; null where it is not known."""
    file: str | None = None
    """Relative to the folder of the export, or as the user gave it."""
    sha256: str | None
    """Of the file's bytes; of several files (ONNX with its weights beside it) of the sorted list
    of their digests, one a line; null where one cannot be read."""
    size_bytes: int | None
    """Of all its files; null where one cannot be read."""
    parameters: int | None = None
    """Trained values; null where the file does not say."""
    macs: int | None = None
    """Multiply-accumulates of one query; null where the file does not say."""
    adapter: dict[str, Any] | None = None
    """What lies between a raw sample and the file (`targets.formats.model_io.Adapter`)."""
    inputs: tuple[Tensor, ...] | None = None
    """In the file's order; null where it cannot be loaded."""
    outputs: tuple[Tensor, ...] | None = None
    """In the file's order; null where it cannot be loaded."""
    operators: dict[str, int] | None = None
    """How often each kind of operator is in the file; null where the runtime does not say."""
    samples_per_query: int | None = 1
    """Above 1 where a batch is fixed in the file: its times are of so many samples. Null where
    nothing is known of the file."""
    error: str | None = None
    """Why there are no figures of it; null when it was measured."""


class BenchResult(Section):
    schema_: Literal["bench-result/1"] = Field(default=SCHEMA, alias="schema")
    """A reader refuses another number, and a key that it does not know."""
    run_id: str
    """Random."""
    created_utc: str
    """RFC 3339."""
    tool: Tool | None = None
    """What measured."""
    protocol: ProtocolUsed
    """How it was measured."""
    device: Device
    """Where it was measured."""
    sentinel_baseline_ns: int | None = None
    """What the sentinels of the blocks were judged by."""
    models: tuple[Model, ...]
    """What was asked for, in that order; those that failed too."""
    blocks: tuple[Block, ...]
    """In the order measured, repeated ones included."""
    memory: tuple[MemoryPass, ...] = ()
    """One process per model."""
    summary: tuple[SummaryRow, ...]
    """Computed from `blocks` and `memory`."""
    comparison: tuple[ComparisonRow, ...]
    """Computed from `blocks`."""
    accuracy: tuple[AccuracyPass, ...] = ()
    """One process per model; empty without data."""
    op_profile: tuple[ProfilePass, ...] = ()
    """One process per model; empty where none was asked for."""

    @model_validator(mode="after")
    def _one_block_counts(self) -> Self:
        counted = Counter((block.model, block.index) for block in self.blocks if block.counted)
        for (model, index), times in counted.items():
            if times > 1:
                raise ValueError(f"two counted blocks of {model} in round {index}")
        return self

    def dump(self) -> str:
        """JSON on one line, keys in the order of the schema."""
        return self.model_dump_json(by_alias=True) + "\n"


def read(path: Path) -> BenchResult:
    """The document in `path`.

    Raises `InputError` for what is no file, no JSON, no result, one of another major version, and
    for keys that are not known.
    """
    raw = _bytes(path)
    _refuse_another(raw, path)
    try:
        return BenchResult.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise InputError(f"bench result {path}: {_explain(error)}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"bench result {path}: cannot be read: {error.strerror}. "
            "Give the JSON file that `pipeline bench` wrote."
        ) from error


def _refuse_another(raw: bytes, path: Path) -> None:
    try:
        tree = pydantic_core.from_json(raw)
    except ValueError as error:
        raise InputError(
            f"bench result {path}: not valid JSON: {error}. Give the file as `pipeline bench` "
            "wrote it, or measure again."
        ) from error
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if schema == SCHEMA:
        return
    if isinstance(schema, str) and schema.startswith("bench-result/"):
        raise InputError(
            f"bench result {path}: it is in '{schema}', and only '{SCHEMA}' can be read here. "
            "Read it with the version of edge-distill that wrote it, or measure again."
        )
    raise InputError(
        f"bench result {path}: JSON, but no bench result: its key 'schema' is not '{SCHEMA}'. "
        "Give the JSON file that `pipeline bench` wrote."
    )


def _explain(error: ValidationError) -> str:
    """The first thing that is wrong, by its key, and how many more there are."""
    first, *others = error.errors(include_url=False, include_input=False)
    key = ".".join(map(str, first["loc"])) or "the document"
    message = first["msg"]
    if first["type"] == "extra_forbidden":
        message = f"unknown key{_nearest(str(first['loc'][-1]))}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{key}: {message}{more}. A file of '{SCHEMA}' has it otherwise: measure again."


def _nearest(key: str) -> str:
    schema = BenchResult.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    known = sorted({name for section in sections for name in section["properties"]})
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""
