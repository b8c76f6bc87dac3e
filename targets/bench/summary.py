"""Rows of `bench-result/1` that are computed from its counted blocks.

Pure functions: the rows of a stored result can be computed again from its blocks.
"""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal

from targets.bench.record import Block, Memory, MemoryPass, Reported, Section
from targets.bench.statistics import (
    LEAST_BLOCKS,
    Comparison,
    Interval,
    LatencySummary,
    Verdict,
    compare,
    summarise,
)
from targets.bench.validity import DisturbanceRow, by_kind, stability

Method = Literal[
    "order_statistics_over_processes", "order_statistics_over_blocks", "t_of_log_ratios"
]


class Range(Section):
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    level: float
    """Actual coverage."""
    method: Method
    """Method of computation."""


class SummaryRow(Section):
    """One model, over its counted blocks."""

    model: str
    """Name of the model."""
    runtime: str
    """Name and version of the runtime."""
    n_processes: int
    """Number of counted blocks."""
    n_samples: int
    """Number of queries in all counted blocks."""
    median_ns: float | None
    """Median over processes of each process's median: the headline."""
    median_ci: Range | None
    """Interval of `median_ns`; null below six processes."""
    p90_ns: int | None
    """90th percentile over all samples, as every figure down to `spike_share_gt3x`."""
    p90_early_stopping_ns: int | None
    """Upper 99 % bound of p90 by MLPerf LoadGen's rule; null below 64 samples."""
    p95_ns: int | None
    """95th percentile; null below 130 samples."""
    p99_ns: int | None
    """99th percentile; null below 662 samples."""
    min_ns: int
    """Fastest query."""
    max_ns: int
    """Slowest query."""
    mean_ns: float
    """Mean of all queries."""
    mad_ns: float | None
    """Median absolute deviation from the median."""
    cv: float | None
    """Standard deviation over mean."""
    spike_share_gt3x: float | None
    """Share of samples above three times the median."""
    invoke_only_median_ns: float | None
    """Median of the runtime's own part, computed as `median_ns`."""
    import_ns: float | None
    """Import of the runtime, median over processes."""
    load_ns: float | None
    """Loading of the file, median over processes."""
    first_inference_ns: float | None
    """First query after loading, median over processes."""
    peak_memory_bytes: int | None
    """Peak of the whole process; null without a memory pass."""
    model_memory_bytes: int | None
    """Peak less the process's memory before it loaded the model."""
    stability: Literal["stable", "unstable"] | None
    """Unstable figures may not be reproduced by another measurement. Null without samples."""
    valid: bool
    """Whether every counted block is valid."""
    invalid_reasons: tuple[str, ...]
    """Reasons of every counted block, each with its round."""
    disturbances: tuple[DisturbanceRow, ...] = ()
    """The disturbances by kind."""


class ComparisonRow(Section):
    """One model against a baseline, over pairs of counted blocks of one round."""

    baseline: str
    """Name of the baseline model."""
    baseline_runtime: str
    """Name and version of its runtime."""
    candidate: str
    """Name of the compared model."""
    candidate_runtime: str
    """Name and version of its runtime."""
    ratio: float | None
    """Baseline over candidate, median of the pairs: above 1 the candidate is faster. Null if the
    verdict is invalid, as are its intervals and `mdd`: readers would take it for a speed-up."""
    ratio_ci: Range | None
    """Interval of `ratio` by order statistics."""
    ratio_t_ci: Range | None
    """Interval of the mean log ratio, exponentiated; decides the verdict."""
    mdd: float | None
    """Minimal detectable difference: with 0.02, 80 % of such measurements detect a difference of
    2 %."""
    blocks: int
    """Number of pairs."""
    verdict: Verdict
    """Invalid below six pairs or with an invalid block."""
    invalid_reasons: tuple[str, ...]
    """Why the verdict is invalid; empty if it is valid."""


def summarise_blocks(
    blocks: Sequence[Block],
    memory: Sequence[MemoryPass] = (),
    names: Sequence[str] | None = None,
) -> tuple[SummaryRow, ...]:
    """A row per model with counted blocks, in the order of `names`, else in that of measuring."""
    by_model = _counted(blocks)
    peaks = {one.model: one.memory for one in memory}
    order = by_model if names is None else [name for name in names if name in by_model]
    return tuple(_row(name, list(by_model[name].values()), peaks.get(name)) for name in order)


def comparisons(
    blocks: Sequence[Block], baseline: str, names: Sequence[str]
) -> tuple[ComparisonRow, ...]:
    """A row per name with counted blocks, if the baseline has any; it may be among `names`."""
    by_model = _counted(blocks)
    if baseline not in by_model:
        return ()
    return tuple(
        _compared(baseline, by_model[baseline], name, by_model[name])
        for name in names
        if name in by_model
    )


Rounds = dict[int, Block]
"""Round -> its counted block, in order of the rounds."""


def _counted(blocks: Sequence[Block]) -> dict[str, Rounds]:
    by_model: dict[str, Rounds] = {}
    for block in sorted(filter(lambda b: b.counted, blocks), key=lambda b: b.index):
        by_model.setdefault(block.model, {})[block.index] = block
    return by_model


def _row(name: str, blocks: Sequence[Block], memory: Memory | None) -> SummaryRow:
    latency = _latency(blocks)
    return SummaryRow(
        model=name,
        runtime=_runtime(blocks),
        n_processes=len(blocks),
        n_samples=latency.samples,
        median_ns=latency.median_ns,
        median_ci=_range(latency.interval, "order_statistics_over_processes"),
        p90_ns=latency.p90_ns,
        p90_early_stopping_ns=latency.p90_early_stopping_ns,
        p95_ns=latency.p95_ns,
        p99_ns=latency.p99_ns,
        min_ns=latency.min_ns,
        max_ns=latency.max_ns,
        mean_ns=latency.mean_ns,
        mad_ns=latency.mad_ns,
        cv=latency.cv,
        spike_share_gt3x=latency.spike_share,
        invoke_only_median_ns=_median(
            median(b.invoke_only_ns) if b.invoke_only_ns else None for b in blocks
        ),
        import_ns=_median(b.phases.import_ns for b in blocks),
        load_ns=_median(b.phases.load_ns for b in blocks),
        first_inference_ns=_median(b.phases.first_inference_ns for b in blocks),
        peak_memory_bytes=None if memory is None else memory.peak_bytes,
        model_memory_bytes=_of_the_model(memory),
        stability=stability(blocks),
        valid=all(b.valid for b in blocks),
        invalid_reasons=_reasons(blocks),
        disturbances=by_kind(blocks),
    )


def _latency(blocks: Sequence[Block]) -> LatencySummary:
    samples = [block.samples_ns for block in blocks if block.samples_ns]
    if len(samples) == len(blocks):
        return summarise(samples)
    return _as_reported([block.reported for block in blocks if block.reported])


def _as_reported(reports: Sequence[Reported]) -> LatencySummary:
    """Figures of a tool that does not give its samples."""
    count = sum(report.count for report in reports)
    return LatencySummary(
        processes=len(reports),
        samples=count,
        median_ns=_median(report.median_ns for report in reports),
        min_ns=min(report.min_ns for report in reports),
        max_ns=max(report.max_ns for report in reports),
        mean_ns=sum(report.mean_ns * report.count for report in reports) / count,
    )


def _compared(baseline: str, slow: Rounds, candidate: str, fast: Rounds) -> ComparisonRow:
    rounds = [index for index in slow if index in fast]
    pairs = [(slow[index], fast[index]) for index in rounds]
    reasons = _obstacles(pairs)
    found = None if reasons else _comparison(pairs)
    return ComparisonRow(
        baseline=baseline,
        baseline_runtime=_runtime(list(slow.values())),
        candidate=candidate,
        candidate_runtime=_runtime(list(fast.values())),
        ratio=found and found.ratio,
        ratio_ci=found and _range(found.interval, "order_statistics_over_blocks"),
        ratio_t_ci=found and _range(found.t_interval, "t_of_log_ratios"),
        mdd=found and found.mdd,
        blocks=len(pairs),
        verdict=found.verdict if found else "invalid",
        invalid_reasons=reasons,
    )


def _obstacles(pairs: Sequence[tuple[Block, Block]]) -> tuple[str, ...]:
    """Why no verdict can be given."""
    reasons = []
    if len(pairs) < LEAST_BLOCKS:
        reasons.append(f"{len(pairs)} paired blocks, of the {LEAST_BLOCKS} that it takes")
    if not all(one.samples_ns for pair in pairs for one in pair):
        reasons.append("a runtime that does not give its samples")
    for model in dict.fromkeys(one.model for pair in pairs for one in pair if not one.valid):
        reasons.append(f"invalid blocks of {model}")
    return tuple(reasons)


def _comparison(pairs: Sequence[tuple[Block, Block]]) -> Comparison:
    return compare(
        baseline=[slow.samples_ns or () for slow, _ in pairs],
        candidate=[fast.samples_ns or () for _, fast in pairs],
    )


def _runtime(blocks: Sequence[Block]) -> str:
    used = blocks[0].runtime
    return used.name if used.version is None else f"{used.name} {used.version}"


def _range(interval: Interval | None, method: Method) -> Range | None:
    if interval is None:
        return None
    return Range(low=interval.low, high=interval.high, level=interval.level, method=method)


def _median(values: Iterable[float | None]) -> float | None:
    """None if a value is missing: the median of the others would be of other blocks."""
    every = list(values)
    known = [value for value in every if value is not None]
    return float(median(known)) if known and len(known) == len(every) else None


def _of_the_model(memory: Memory | None) -> int | None:
    return None if memory is None else memory.peak_bytes - memory.baseline_bytes


def _reasons(blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(f"block {b.index}: {reason}" for b in blocks for reason in b.invalid_reasons)
