"""Rows of `bench-result/1` that are computed from its blocks, when it is written or any time later.

Pure: the same blocks give the same rows. Only counted blocks count.
"""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Literal

from targets.bench.record import (
    Block,
    Disturbance,
    Kind,
    Memory,
    MemoryPass,
    Reported,
    Section,
)
from targets.bench.statistics import LEAST_BLOCKS, Interval, Verdict, compare, summarise
from targets.bench.validity import stability

Method = Literal[
    "order_statistics_over_processes", "order_statistics_over_blocks", "t_of_log_ratios"
]


class Range(Section):
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    level: float
    """Coverage that it really has."""
    method: Method
    """How it was computed."""


LESS_IS_WORSE = ("frequency", "max_duration")
"""A share of the highest frequency, and the queries that were reached."""


class DisturbanceRow(Section):
    """One kind of disturbance of one model, over its counted blocks."""

    kind: Kind
    """Which limit of `targets.bench.validity` was broken."""
    blocks: int
    """Counted blocks that broke it."""
    least: float
    """The value nearest to the limit."""
    worst: float
    """The value farthest from it."""
    limit: float | None
    """As in the blocks."""
    of: float | None
    """As in the block of `worst`."""


class SummaryRow(Section):
    """Of one model, over its counted blocks."""

    model: str
    """Name of the model."""
    runtime: str
    """Name and version."""
    n_processes: int
    """Counted blocks."""
    n_samples: int
    """Queries of all of them."""
    median_ns: float | None
    """Over processes, of each process's median: the headline."""
    median_ci: Range | None
    """Null below six processes."""
    p90_ns: int | None
    """Over all samples, as every figure down to `spike_share_gt3x`."""
    p90_early_stopping_ns: int | None
    """Upper 99 % bound of p90 by MLPerf LoadGen's rule; null below 64 samples."""
    p95_ns: int | None
    """Null below 130 samples."""
    p99_ns: int | None
    """Null below 662 samples."""
    min_ns: int
    """Fastest query."""
    max_ns: int
    """Slowest query."""
    mean_ns: float
    """Average query."""
    mad_ns: float | None
    """Median absolute deviation from the median."""
    cv: float | None
    """Standard deviation over mean."""
    spike_share_gt3x: float | None
    """Share of samples above three times the median."""
    invoke_only_median_ns: float | None
    """As `median_ns`, of the runtime's own part."""
    import_ns: float | None
    """Median over processes, as the next two."""
    load_ns: float | None
    """File to ready."""
    first_inference_ns: float | None
    """First query after loading."""
    peak_memory_bytes: int | None
    """Of the whole process; null without a memory pass."""
    model_memory_bytes: int | None
    """The peak less what the process had before it loaded the model."""
    stability: Literal["stable", "unstable"] | None
    """Unstable: another measurement may well say something else. Null without samples."""
    valid: bool
    """Whether every counted block is."""
    invalid_reasons: tuple[str, ...]
    """Of every counted block, led by its round."""
    disturbances: tuple[DisturbanceRow, ...] = ()
    """The same by kind."""


class ComparisonRow(Section):
    """Of one model with a baseline, over pairs of counted blocks of one round."""

    baseline: str
    """Name of the model compared with."""
    baseline_runtime: str
    """Name and version."""
    candidate: str
    """Name of the model."""
    candidate_runtime: str
    """Name and version."""
    ratio: float | None
    """Baseline over candidate, median of the pairs: above 1 the candidate is faster. Null where the
    verdict is invalid, as its intervals and `mdd` are: the blocks are there for who wants it."""
    ratio_ci: Range | None
    """By order statistics."""
    ratio_t_ci: Range | None
    """Of the mean log ratio, exponentiated: what the verdict rests on."""
    mdd: float | None
    """Minimal detectable difference: 0.02 would be found in 80 % of such measurements if it
    were 2 %."""
    blocks: int
    """Pairs."""
    verdict: Verdict
    """Invalid below six pairs or with an invalid block."""
    invalid_reasons: tuple[str, ...]
    """Why the verdict is invalid; empty where it is not."""


def summarise_blocks(
    blocks: Sequence[Block],
    memory: Sequence[MemoryPass] = (),
    names: Sequence[str] | None = None,
) -> tuple[SummaryRow, ...]:
    """A row per model that has counted blocks, in the order of `names`, else as first measured."""
    by_model = _counted(blocks)
    peaks = {one.model: one.memory for one in memory}
    order = by_model if names is None else [name for name in names if name in by_model]
    return tuple(_row(name, list(by_model[name].values()), peaks.get(name)) for name in order)


def comparisons(
    blocks: Sequence[Block], baseline: str, names: Sequence[str]
) -> tuple[ComparisonRow, ...]:
    """A row per name that has counted blocks, where the baseline has; `names` may hold it too."""
    by_model = _counted(blocks)
    if baseline not in by_model:
        return ()
    return tuple(
        _compared(baseline, by_model[baseline], name, by_model[name])
        for name in names
        if name in by_model
    )


Rounds = dict[int, Block]
"""The counted block of each round, in order."""


def _counted(blocks: Sequence[Block]) -> dict[str, Rounds]:
    by_model: dict[str, Rounds] = {}
    for block in sorted(filter(lambda b: b.counted, blocks), key=lambda b: b.index):
        by_model.setdefault(block.model, {})[block.index] = block
    return by_model


def _row(name: str, blocks: Sequence[Block], memory: Memory | None) -> SummaryRow:
    return SummaryRow(
        model=name,
        runtime=_runtime(blocks),
        n_processes=len(blocks),
        **_latency(blocks),
        invoke_only_median_ns=_median(
            median(b.invoke_only_ns) if b.invoke_only_ns else None for b in blocks
        ),
        import_ns=_median(b.phases.import_ns for b in blocks),
        load_ns=_median(b.phases.load_ns for b in blocks),
        first_inference_ns=_median(b.phases.first_inference_ns for b in blocks),
        peak_memory_bytes=None if memory is None else memory.peak_bytes,
        model_memory_bytes=_of_the_model(memory),
        valid=all(b.valid for b in blocks),
        invalid_reasons=_reasons(blocks),
        disturbances=_disturbances(blocks),
    )


def _latency(blocks: Sequence[Block]) -> dict[str, Any]:
    samples = [block.samples_ns for block in blocks if block.samples_ns]
    if len(samples) < len(blocks):
        return _as_reported([block.reported for block in blocks if block.reported])
    seen = summarise(samples)
    return {
        "n_samples": seen.samples,
        "median_ns": seen.median_ns,
        "median_ci": _range(seen.interval, "order_statistics_over_processes"),
        "p90_ns": seen.p90_ns,
        "p90_early_stopping_ns": seen.p90_early_stopping_ns,
        "p95_ns": seen.p95_ns,
        "p99_ns": seen.p99_ns,
        "min_ns": seen.min_ns,
        "max_ns": seen.max_ns,
        "mean_ns": seen.mean_ns,
        "mad_ns": seen.mad_ns,
        "cv": seen.cv,
        "spike_share_gt3x": seen.spike_share,
        "stability": stability(seen, blocks),
    }


def _as_reported(reports: Sequence[Reported]) -> dict[str, Any]:
    """Of a tool that keeps its samples: what follows from them is null, and not called stable."""
    unknown = ("median_ci", "p90_ns", "p90_early_stopping_ns", "p95_ns", "p99_ns")
    count = sum(report.count for report in reports)
    return {
        **dict.fromkeys([*unknown, "mad_ns", "cv", "spike_share_gt3x", "stability"]),
        "n_samples": count,
        "median_ns": _median(report.median_ns for report in reports),
        "min_ns": min(report.min_ns for report in reports),
        "max_ns": max(report.max_ns for report in reports),
        "mean_ns": sum(report.mean_ns * report.count for report in reports) / count,
    }


def _compared(baseline: str, slow: Rounds, candidate: str, fast: Rounds) -> ComparisonRow:
    rounds = [index for index in slow if index in fast]
    pairs = [(slow[index], fast[index]) for index in rounds]
    reasons = _against(pairs)
    return ComparisonRow(
        baseline=baseline,
        baseline_runtime=_runtime(list(slow.values())),
        candidate=candidate,
        candidate_runtime=_runtime(list(fast.values())),
        blocks=len(pairs),
        invalid_reasons=reasons,
        **(NO_RATIO if reasons else _ratio(pairs)),
    )


def _against(pairs: Sequence[tuple[Block, Block]]) -> tuple[str, ...]:
    """Why no verdict can be given."""
    reasons = []
    if len(pairs) < LEAST_BLOCKS:
        reasons.append(f"{len(pairs)} paired blocks, of the {LEAST_BLOCKS} that it takes")
    if not all(one.samples_ns for pair in pairs for one in pair):
        reasons.append("a runtime that does not give its samples")
    for block in dict.fromkeys(one.model for pair in pairs for one in pair if not one.valid):
        reasons.append(f"invalid blocks of {block}")
    return tuple(reasons)


NO_RATIO: dict[str, Any] = {
    **dict.fromkeys(("ratio", "ratio_ci", "ratio_t_ci", "mdd")),
    "verdict": "invalid",
}
"""A number beside an invalid verdict would be read as a speed-up all the same."""


def _ratio(pairs: Sequence[tuple[Block, Block]]) -> dict[str, Any]:
    """Of pairs that nothing speaks against."""
    seen = compare(
        baseline=[slow.samples_ns or () for slow, _ in pairs],
        candidate=[fast.samples_ns or () for _, fast in pairs],
    )
    return {
        "ratio": seen.ratio,
        "ratio_ci": _range(seen.interval, "order_statistics_over_blocks"),
        "ratio_t_ci": _range(seen.t_interval, "t_of_log_ratios"),
        "mdd": seen.mdd,
        "verdict": seen.verdict,
    }


def _runtime(blocks: Sequence[Block]) -> str:
    used = blocks[0].runtime
    return used.name if used.version is None else f"{used.name} {used.version}"


def _range(interval: Interval | None, method: Method) -> Range | None:
    if interval is None:
        return None
    return Range(low=interval.low, high=interval.high, level=interval.level, method=method)


def _median(values: Iterable[float | None]) -> float | None:
    """Null where one is missing: a median of the others would be of something else."""
    seen = list(values)
    known = [value for value in seen if value is not None]
    return float(median(known)) if known and len(known) == len(seen) else None


def _of_the_model(memory: Memory | None) -> int | None:
    return None if memory is None else memory.peak_bytes - memory.baseline_bytes


def _reasons(blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(f"block {b.index}: {reason}" for b in blocks for reason in b.invalid_reasons)


def _disturbances(blocks: Sequence[Block]) -> tuple[DisturbanceRow, ...]:
    seen: dict[Kind, list[tuple[int, Disturbance]]] = {}
    for block in blocks:
        for found in block.disturbances:
            seen.setdefault(found.kind, []).append((block.index, found))
    return tuple(_by_kind(kind, found) for kind, found in seen.items())


def _by_kind(kind: Kind, seen: Sequence[tuple[int, Disturbance]]) -> DisturbanceRow:
    order = sorted((found for _, found in seen), key=lambda found: found.value)
    if kind in LESS_IS_WORSE:
        order.reverse()
    least, worst = order[0], order[-1]
    return DisturbanceRow(
        kind=kind,
        blocks=len({index for index, _ in seen}),
        least=least.value,
        worst=worst.value,
        limit=worst.limit,
        of=worst.of,
    )
