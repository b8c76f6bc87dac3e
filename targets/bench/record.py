"""What the measuring processes say, as `bench-result/1` keeps it: one record per process.

Times are integer nanoseconds, memory is bytes, temperature degrees C, frequency Hz. Absent is null,
never 0. The docstrings below are the descriptions in `BenchResult.model_json_schema()`.
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
    """Of its package."""
    threads: int
    """Asked of the runtime, never its default."""
    delegate: Literal["xnnpack", "none"] | None = None
    """What executes the graph for the runtime; null where it does not say."""
    affinity_requested: tuple[int, ...] | None = None
    """CPUs the process was told to keep to; null: none."""
    affinity_effective: tuple[int, ...] | None = None
    """CPUs the system says it may use, read back; null where the system has no affinity."""
    ort_options: dict[str, str] = Field(default_factory=dict)
    """Entries of the ONNX Runtime session's configuration that the user asked for."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables that were set for the runtime."""


class Phases(Section):
    import_ns: int | None
    """Of the runtime's package."""
    load_ns: int | None
    """From the path of the file to a runtime that can be queried."""
    load_cache: Literal["cold", "warm", "unknown"] = "unknown"
    """Whether the file's pages were in memory before."""
    first_inference_ns: int | None = None
    """The first query after loading; null where it is not timed."""


class AgentRecord(Section):
    """What every pass of the agent says; each is a fresh process."""

    model: str
    """Name of the model."""
    schema_: str = Field(alias="schema")
    """Of the agent: `agent/2`."""
    pid: int | None
    """The process; null where a native tool measured."""
    python: str | None = None
    """Version of the interpreter."""
    numpy: str | None = None
    """Version."""
    cpu_features: tuple[str, ...] | None = None
    """Of the processor, those that decide how int8 is multiplied: `AVX2`, `VNNI`, `dotprod`."""
    runtime: RuntimeUsed
    """What ran the model, and how it was told to."""
    phases: Phases
    """What comes before steady state."""
    tensorflow_imported: bool = False
    """True would mean that the process was not a thin one."""


class Environment(Section):
    """Of the device, outside of everything that is timed."""

    temp_c: float | None = None
    """Of the hottest thermal zone."""
    freq_hz: tuple[int | None, ...] | None = None
    """Current frequency of every core, by the number of the core."""
    governor: tuple[str | None, ...] | None = None
    """Frequency governor of every core."""
    throttled_raw: str | None = None
    """A Raspberry Pi's `vcgencmd get_throttled`, hexadecimal."""
    thermal_status: int | None = None
    """Android's, 0 to 6."""
    battery_c: float | None = None
    """Temperature of the battery."""
    battery_pct: float | None = None
    """How full it is."""
    charging: bool | None = None
    """Whether it is being charged."""
    loadavg1: float | None = None
    """1-minute load average."""
    runnable: int | None = None
    """Threads that run or wait for a CPU."""
    sentinel_ns: int | None = None
    """Time of a fixed piece of work: it is longer where the clock is lower or the core shared."""


class Switches(Section):
    voluntary: int
    """The process gave its core away."""
    involuntary: int
    """The core was taken from it."""


class Reported(Section):
    """What a tool says that keeps its samples to itself."""

    count: int
    """Queries."""
    min_ns: int
    """Fastest query."""
    max_ns: int
    """Slowest query."""
    mean_ns: float
    """Average query."""
    median_ns: float | None = None
    """Newer releases print it."""
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
    """What was seen: queries, a ratio to the best time, bits, °C, a status, a share of the highest
    frequency, processes, switches per second, CPU cores."""
    limit: float | None = None
    """Up to which the block would have been valid; null where no number says it."""
    side: Literal["before", "after"] | None = None
    """Of the block, where the device was read on both sides."""
    of: float | None = None
    """What `value` belongs to: the highest frequency in Hz, the number of CPUs, the bits before."""


class Block(AgentRecord):
    """What one fresh process measured of one model."""

    index: int
    """Round: the blocks of a round are measured side by side and are a pair."""
    order: int
    """Place within the round."""
    attempt: int = 0
    """0, or how often the round's block of this model had been repeated by then."""
    valid: bool = True
    """Whether the device was left alone (`targets.bench.validity`)."""
    invalid_reasons: tuple[str, ...] = ()
    """Why it was not, a sentence each."""
    disturbances: tuple[Disturbance, ...] = ()
    """The same as numbers; empty in files of before they were kept."""
    counted: bool = True
    """Whether summary and comparison use it: one attempt per round and model."""
    warmup_ns: tuple[int, ...] | None
    """Every query of the warm-up, in order; null of a tool that does not say."""
    samples_ns: Annotated[tuple[int, ...], Field(min_length=1)] | None
    """Every query of the measured part, in order; null of a tool that does not say."""
    invoke_only_ns: tuple[int, ...] | None = None
    """The runtime's own part of the same queries; null where it cannot be told apart."""
    sample_index: tuple[int, ...] = ()
    """Which sample each query was given, of a batch the first; empty where all were given the
    same."""
    stop_reason: Literal["min_met", "max_duration"]
    """Both minimums were met, or the longest time was up before."""
    ctx_switches: Switches | None = None
    """Of the measured part."""
    wall_ns: int | None = None
    """Duration of the measured part."""
    cpu_ns: int | None = None
    """CPU time that the process used in it."""
    others_cpu: float | None = None
    """Share of one core that all others used in it."""
    env_before: Environment | None = None
    """Before the warm-up."""
    env_after: Environment | None = None
    """After the last query."""
    reported: Reported | None = None
    """In place of samples, of a tool that does not give them."""

    @model_validator(mode="after")
    def _has_figures(self) -> Self:
        if self.samples_ns is None and self.reported is None:
            raise ValueError("neither samples_ns nor reported is there")
        return self


class Memory(Section):
    method: Literal["VmHWM"]
    """Highest resident size of a thin process, never the inherited `ru_maxrss`."""
    reset: bool
    """Whether the mark was reset after the import, so that the import's own peak is not in it."""
    baseline_bytes: int
    """After the import of numpy and the runtime."""
    after_load_bytes: int
    """After the model was loaded."""
    peak_bytes: int
    """After a few queries."""
    rss_anon_bytes: int | None
    """Resident at the end, private; null on kernels that do not say."""
    rss_file_bytes: int | None
    """Resident at the end, mapped from files: the model's pages may be here."""


class MemoryPass(AgentRecord):
    memory: Memory | None
    """A pass of its own: nothing is timed in it. Null where the system does not say."""


class AccuracyPass(AgentRecord):
    """Every sample exactly once, in order, by the code that is timed in blocks."""

    samples: int
    """Of the data that was given."""
    outputs: str | None = None
    """File of the outputs; null where it was not kept."""
    output: str | None = None
    """Name of the output that was kept and, where a figure is below, judged."""
    outputs_sha256: str
    """Over the bytes of every sample's output, in order."""
    output_shape: tuple[int, ...] | None = None
    """Of all outputs, [samples, ..]; null where they differ in shape."""
    total_ns: int | None = None
    """Of the whole pass."""
    top1: float | None = None
    """Share of right labels; null without labels, or where `notes` say why."""
    top1_ci: tuple[float, float] | None = None
    """Wilson's 95 % interval."""
    class_offset: int = 0
    """Label k is the model's class k + this (`--class-offset`)."""
    most_frequent: float | None = None
    """Share of the most frequent label: the top-1 of naming always that."""
    above_chance: bool | None = None
    """Whether the interval of `top1` lies above `most_frequent`."""
    baseline: str | None = None
    """Name of the model that `agreement` compares with."""
    agreement: float | None = None
    """Share of samples with the baseline's top-1 label."""
    notes: tuple[str, ...] = ()
    """How the figures were read, why one is not there, and what makes one doubtful."""


class Operator(Section):
    type: str
    """Kind of operator."""
    count: float
    """Of that kind in one query, on average."""
    total_ns: int
    """Of all of them in one query, on average."""
    share: float
    """Of the time of all operators."""


class ProfilePass(AgentRecord):
    source: str | None
    """What timed the operators; null where the runtime cannot."""
    ops: tuple[Operator, ...] | None
    """Longest first; null where the runtime cannot time them."""
