"""`bench-result/1`: everything that was measured on one device, including the raw samples.

Times are integer nanoseconds (medians and means need not be whole), memory is bytes, frequency Hz.
A missing value is null, never 0. `summary` and `comparison` can be computed again from `blocks` and
`memory` (`targets.bench.summary`). The model's JSON schema describes every key.
"""

from collections import Counter
from pathlib import Path
from typing import Final, Literal, Self

import pydantic_core
from pydantic import Field, JsonValue, ValidationError, model_validator

from targets.bench.record import AccuracyPass, Block, MemoryPass, ProfilePass, Section
from targets.bench.summary import ComparisonRow, SummaryRow
from targets.errors import InputError, did_you_mean

SCHEMA: Final = "bench-result/1"
REMOVED = {"tool": ("git",), "device": ("rooted",), "phases": ("load_cache",)}
"""Section -> keys that earlier versions wrote without ever having a value: ignored when read."""


class Tool(Section):
    name: str
    """Name of the measuring program."""
    version: str
    """Version of the measuring program."""


class ProtocolUsed(Section):
    scenario: Literal["single_stream"]
    """A query begins when the previous one has ended. Its size is `samples_per_query` of the
    model."""
    tier: Literal["rapid", "quick", "normal"] | None
    """Tier of MLPerf Mobile that the limits are from; null: set by the user."""
    processes: int
    """Requested blocks (fresh processes) per model, the unit of replication."""
    threads: int | None = None
    """Threads per process; null if it differs between blocks, which have their own."""
    min_queries: int
    """Minimum over all processes of a model together, as are the durations."""
    min_duration_ns: int
    """Minimum duration of the measured part."""
    max_duration_ns: int
    """Maximum duration of the measured part; takes precedence over the minimums."""
    warmup_min_runs: int
    """Minimum number of queries before the measured part, per process."""
    warmup_min_ns: int
    """Minimum time before the measured part, per process; both minimums apply."""
    interleaved: bool
    """Whether models alternate, in seeded random order within a round."""
    seed: int
    """Seed of the order of models and samples."""
    boundary: Literal["host_array_to_host_array"]
    """What a timed query covers."""


class Cpu(Section):
    id: int
    """Number given by the operating system."""
    max_hz: int | None
    """Highest frequency of the hardware."""
    governor: str | None
    """Frequency governor."""


class Device(Section):
    adapter: str
    """Kind of link: `local`, `ssh`, `adb`."""
    id: str
    """Host name or serial number."""
    model: str | None
    """Model of the board, else of the CPU."""
    soc: str | None = None
    """System on a chip."""
    abi: str
    """`x86_64`, `aarch64`, `armv7l`, `arm64-v8a`."""
    userland_bits: int | None = None
    """Pointer size: a 64-bit kernel can have a 32-bit userland."""
    os: str | None
    """Operating system."""
    kernel: str | None
    """Release of the kernel."""
    libc: str | None
    """C library and version."""
    python: str | None = None
    """Version of the measuring interpreter."""
    cpus: tuple[Cpu, ...]
    """CPUs that a measuring process may use."""
    cpu_features: tuple[str, ...] | None = None
    """Features of the processor that decide how int8 is multiplied: `AVX2`, `VNNI`, `dotprod`;
    null if they cannot be read."""
    mem_total_bytes: int | None
    """Main memory."""
    context: str | None = None
    """How processes are started: `login-shell`, `adb-shell`."""
    loadavg1: float | None = None
    """1-minute load average before anything was measured."""
    emulated: bool
    """Whether the CPU is emulated, so that times are meaningless."""


class Tensor(Section):
    name: str
    """Name in the file."""
    shape: tuple[int | None, ...]
    """Shape; null for an open dimension."""
    dtype: str
    """Name of the numpy dtype."""
    quantization: tuple[float, int] | None
    """(scale, zero point); null if there is none or one per channel."""


class Model(Section):
    name: str
    """Name that blocks and rows refer to."""
    role: str | None = None
    """`teacher`, `student` or `student_qat`; null for other files."""
    format: str
    """`tflite` or `onnx`."""
    precision: str | None = None
    """`float32`, `int8`, `dynamic`, ..; null if unknown."""
    file: str | None = None
    """Path relative to the folder of the export, or as the user gave it."""
    sha256: str | None
    """Digest of the file; of several files (ONNX with external weights) the digest of the sorted
    list of their digests, one per line; null if one cannot be read."""
    size_bytes: int | None
    """Size of all files of the model; null if one cannot be read."""
    parameters: int | None = None
    """Number of trained values; null if the file does not hold it."""
    macs: int | None = None
    """Multiply-accumulate operations of one query; null if the file does not hold them."""
    input_shape: tuple[int, ...] | None = None
    """Shape of one raw sample; null for a file that no run has described."""
    adapter: dict[str, object] | None = None
    """Conversion from a raw sample to the file's input and back (`targets.formats.model_io`)."""
    inputs: tuple[Tensor, ...] | None = None
    """Inputs in the file's order; null if the file cannot be loaded."""
    outputs: tuple[Tensor, ...] | None = None
    """Outputs in the file's order; null if the file cannot be loaded."""
    operators: dict[str, int] | None = None
    """Number of operators of each type in the file; null if the runtime does not report them."""
    samples_per_query: int | None = 1
    """Batch size that is fixed in the file: its times are of so many samples. Null if the file
    cannot be loaded."""
    error: str | None = None
    """Why there are no figures; null if the model was measured."""


class BenchResult(Section):
    schema_: Literal["bench-result/1"] = Field(default=SCHEMA, alias="schema")
    """Version of the schema. Readers refuse other versions and unknown keys."""
    run_id: str
    """Random UUID."""
    created_utc: str
    """Time of creation, RFC 3339."""
    tool: Tool | None = None
    """Measuring program."""
    protocol: ProtocolUsed
    """Protocol of the measurement."""
    device: Device
    """Device that ran the models."""
    sentinel_baseline_ns: int | None = None
    """Fastest sentinel of all blocks, which the others are compared with."""
    models: tuple[Model, ...]
    """Requested models in their order, including those that failed."""
    blocks: tuple[Block, ...]
    """Blocks in the order measured, including repeated ones."""
    memory: tuple[MemoryPass, ...] = ()
    """One process per model."""
    summary: tuple[SummaryRow, ...]
    """Computed from `blocks` and `memory`."""
    comparison: tuple[ComparisonRow, ...]
    """Computed from `blocks`."""
    accuracy: tuple[AccuracyPass, ...] = ()
    """One process per model; empty without data."""
    op_profile: tuple[ProfilePass, ...] = ()
    """One process per model; empty if no profile was requested."""

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

    Raises `InputError` if it cannot be read, is not JSON, is not a bench result or one of another
    version, or has unknown keys.
    """
    raw = _bytes(path)
    raw = _current(raw, path)
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


def _current(raw: bytes, path: Path) -> bytes:
    """`raw`, a document of this version of the schema, without its removed keys."""
    tree = _tree(raw, path)
    kept = _without_removed(tree)
    return raw if kept == tree else pydantic_core.to_json(kept, inf_nan_mode="constants")


def _without_removed(tree: JsonValue, section: str = "") -> JsonValue:
    if isinstance(tree, dict):
        gone = REMOVED.get(section, ())
        return {key: _without_removed(v, key) for key, v in tree.items() if key not in gone}
    return [_without_removed(v, section) for v in tree] if isinstance(tree, list) else tree


def _tree(raw: bytes, path: Path) -> JsonValue:
    """The parsed document. Raises `InputError` if its schema is another one."""
    try:
        tree: JsonValue = pydantic_core.from_json(raw)
    except ValueError as error:
        raise InputError(
            f"bench result {path}: not valid JSON: {error}. Give the file as `pipeline bench` "
            "wrote it, or measure again."
        ) from error
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if schema == SCHEMA:
        return tree
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
    """The first error with its key, and the number of further ones."""
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
    return did_you_mean(key, known).rstrip(".")
