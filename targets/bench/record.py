"""The records of `bench-result/1`, one per measuring process.

Times are integer nanoseconds, memory is bytes, temperature degrees C, frequency Hz. A missing value
is null, never 0. The docstrings below are the descriptions in `BenchResult.model_json_schema()`.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class RuntimeUsed(Section):
    name: str
    """`ai_edge_litert`, `tflite_runtime`, `onnxruntime`, `benchmark_model`."""
    version: str | None
    """Version of the runtime's package."""
    threads: int
    """Number of threads that the runtime was configured with, never its default."""
    delegate: Literal["xnnpack", "none"] | None = None
    """Delegate that executes the graph; null if the runtime does not report it."""
    affinity_requested: tuple[int, ...] | None = None
    """CPUs that the process was pinned to; null: not pinned."""
    affinity_effective: tuple[int, ...] | None = None
    """CPUs that the process may use, read back; null if the system has no affinity."""
    ort_options: dict[str, str] = Field(default_factory=dict)
    """Entries of the ONNX Runtime session's configuration that the user requested."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables that were set for the runtime."""


class Phases(Section):
    import_ns: int | None
    """Import of the runtime's package."""
    load_ns: int | None
    """Time from the path of the file to a runtime that can be queried."""
    first_inference_ns: int | None = None
    """First query after loading; null if it is not timed."""


class AgentRecord(Section):
    """What every pass of the agent reports; each pass is a fresh process."""

    model: str
    """Name of the model."""
    schema_: str = Field(alias="schema")
    """Schema of the agent: `agent/2`."""
    pid: int | None
    """Process id; null if a native tool measured."""
    python: str | None = None
    """Version of the interpreter."""
    numpy: str | None = None
    """Version of numpy."""
    cpu_features: tuple[str, ...] | None = None
    """Features of the processor that decide how int8 is multiplied: `AVX2`, `VNNI`, `dotprod`."""
    runtime: RuntimeUsed
    """Runtime of the model and its configuration."""
    phases: Phases
    """Durations before steady state."""
    tensorflow_imported: bool = False
    """Whether the process had imported TensorFlow, which would distort its memory and times."""


class Environment(Section):
    """State of the device, read outside of all timed parts."""

    temp_c: float | None = None
    """Temperature of the hottest thermal zone."""
    freq_hz: tuple[int | None, ...] | None = None
    """Current frequency of every core, indexed by core."""
    governor: tuple[str | None, ...] | None = None
    """Frequency governor of every core."""
    throttled_raw: str | None = None
    """A Raspberry Pi's `vcgencmd get_throttled`, hexadecimal."""
    thermal_status: int | None = None
    """Android's thermal status, 0 to 6."""
    battery_c: float | None = None
    """Temperature of the battery."""
    battery_pct: float | None = None
    """Charge of the battery."""
    charging: bool | None = None
    """Whether the battery is being charged."""
    loadavg1: float | None = None
    """1-minute load average."""
    runnable: int | None = None
    """Threads that run or wait for a CPU."""
    sentinel_ns: int | None = None
    """Duration of a fixed workload: longer if the clock is lower or the core is shared."""


class Switches(Section):
    voluntary: int
    """Times that the process yielded its core."""
    involuntary: int
    """Times that the scheduler took the core from the process."""


class Reported(Section):
    """Figures of a tool that does not give its samples."""

    count: int
    """Queries."""
    min_ns: int
    """Fastest query."""
    max_ns: int
    """Slowest query."""
    mean_ns: float
    """Average query."""
    median_ns: float | None = None
    """Median query; only newer releases print it."""
    std_ns: float | None
    """Standard deviation."""


Kind = Literal[
    "max_duration",
    "sentinel",
    "throttled",
    "throttled_between",
    "hot",
    "thermal_status",
    "frequency",
    "load",
    "switches",
    "others_cpu",
]


class Disturbance(Section):
    """One limit of `targets.bench.validity` that a block broke."""

    kind: Kind
    """Which limit."""
    value: float
    """Observed value: queries, a ratio to the best time, bits, °C, a status, a share of the highest
    frequency, processes, switches per second, CPU cores."""
    limit: float | None = None
    """Largest or smallest valid value; null if the limit is not a number."""
    side: Literal["before", "after"] | None = None
    """When the value was read, of values that are read before and after the block."""
    of: float | None = None
    """Reference of `value`: the highest frequency in Hz, the number of CPUs, the bits before."""


class Block(AgentRecord):
    """Latency of one model, measured by one fresh process."""

    index: int
    """Round: the blocks of a round are measured side by side and are paired."""
    order: int
    """Position within the round."""
    attempt: int = 0
    """Number of earlier attempts at this model in this round."""
    valid: bool = True
    """Whether the device was undisturbed (`targets.bench.validity`)."""
    invalid_reasons: tuple[str, ...] = ()
    """The disturbances, one sentence each."""
    disturbances: tuple[Disturbance, ...] = ()
    """The disturbances as numbers; empty in files of earlier versions."""
    counted: bool = True
    """Whether summary and comparison use it: one attempt per round and model."""
    warmup_ns: tuple[int, ...] | None
    """Every query of the warm-up, in order; null if the tool does not give them."""
    samples_ns: Annotated[tuple[int, ...], Field(min_length=1)] | None
    """Every query of the measured part, in order; null if the tool does not give them."""
    invoke_only_ns: tuple[int, ...] | None = None
    """The runtime's own part of the same queries; null if it cannot be separated."""
    sample_index: tuple[int, ...] = ()
    """Index of each query's sample, of a batch the first; empty if all queries use the same."""
    stop_reason: Literal["min_met", "max_duration"]
    """Whether both minimums were met, or the maximum duration was reached before."""
    ctx_switches: Switches | None = None
    """Context switches in the measured part."""
    wall_ns: int | None = None
    """Duration of the measured part."""
    cpu_ns: int | None = None
    """CPU time of the process in the measured part."""
    others_cpu: float | None = None
    """CPU time of all other processes in the measured part, as a share of one core."""
    env_before: Environment | None = None
    """State before the warm-up."""
    env_after: Environment | None = None
    """State after the last query."""
    reported: Reported | None = None
    """Figures in place of samples, of a tool that does not give them."""

    @model_validator(mode="after")
    def _has_figures(self) -> Self:
        if self.samples_ns is None and self.reported is None:
            raise ValueError("neither samples_ns nor reported is there")
        return self


class Memory(Section):
    method: Literal["VmHWM"]
    """Peak resident size of a process without TensorFlow, never the inherited `ru_maxrss`."""
    reset: bool
    """Whether the peak was reset after the import, so that the import's own is not included."""
    baseline_bytes: int
    """Peak after the import of numpy and the runtime."""
    after_load_bytes: int
    """Peak after the model was loaded."""
    peak_bytes: int
    """Peak after a few queries."""
    rss_anon_bytes: int | None
    """Private resident size at the end; null if the kernel does not report it."""
    rss_file_bytes: int | None
    """File-mapped resident size at the end, which may include the model's pages."""


class MemoryPass(AgentRecord):
    memory: Memory | None
    """Memory, measured in a pass without timing; null if the system does not report it."""


class AccuracyPass(AgentRecord):
    """Every sample exactly once, in order, by the code that is timed in blocks."""

    samples: int
    """Number of samples in the data."""
    outputs: str | None = None
    """File of the outputs; null if it was not kept."""
    output: str | None = None
    """Name of the output that the figures below are of."""
    outputs_sha256: str
    """Digest of the bytes of every sample's output, in order."""
    output_shape: tuple[int, ...] | None = None
    """Shape of all outputs, [samples, ..]; null if it differs between samples."""
    total_ns: int | None = None
    """Duration of the whole pass."""
    top1: float | None = None
    """Accuracy; null without labels, or for a reason in `notes`."""
    top1_ci: tuple[float, float] | None = None
    """Wilson's 95 % interval of `top1`."""
    balanced_accuracy: float | None = None
    """Mean recall of the labels."""
    macro_f1: float | None = None
    """Mean F1 of the labels."""
    imbalance: float | None = None
    """Samples of the most frequent label over those of the least frequent one."""
    class_offset: int = 0
    """Label k is the model's class k + this offset (`--class-offset`)."""
    most_frequent: float | None = None
    """Share of the most frequent label: the top-1 of always predicting it."""
    above_chance: bool | None = None
    """Whether the interval of `top1` lies above `most_frequent`."""
    baseline: str | None = None
    """Name of the model that `agreement` compares with."""
    agreement: float | None = None
    """Share of samples with the baseline's top-1 class."""
    notes: tuple[str, ...] = ()
    """How the figures were derived, why one is missing, and what makes one doubtful."""


class Operator(Section):
    type: str
    """Type of operator."""
    count: float
    """Mean number of such operators in a query."""
    total_ns: int
    """Mean time of all of them in a query."""
    share: float
    """Share of the time of all operators."""


class ProfilePass(AgentRecord):
    source: str | None
    """Profiler that timed the operators; null if the runtime has none."""
    ops: tuple[Operator, ...] | None
    """Operators by time, longest first; null if the runtime has no profiler."""
