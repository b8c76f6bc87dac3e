"""Detection of disturbances during a block, and stability of a model's figures.

A disturbed block measures the disturbed device. It is repeated or marked as invalid; its samples
stay in the file unchanged.
"""

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Literal

from targets.bench.record import Block, Disturbance, Environment, Kind, Section

SENTINEL_RISE = 1.10
"""Limit of the sentinel's time over its baseline, as in Android's benchmark library
(androidx.benchmark, thermal throttle check), which cools down and repeats above it."""
FREQUENCY_SHARE = 0.9
"""Lower limit of the frequency over the highest observed: below it, the same work takes a tenth
longer, as with the sentinel."""
OTHERS_CPU = 0.1
"""Limit of the CPU use of other processes, in cores: `QUIET_CORES` of our benchmarks."""
WAITING = 1.0
"""Limit of the load average above one process per CPU: a thread had to wait. The average covers the
last minute and thus what ran before the block; `others_cpu` covers the block itself."""
SWITCHES_PER_S = 50.0
"""Limit of involuntary context switches per thread. On a shared core the scheduler switches at
every time slice of a few ms on Linux, 100 times a second and more; kernel threads alone cause a few
switches a second."""
THROTTLED_NOW = 0xF
"""`get_throttled`, bits 0-3: under-voltage, frequency capped, throttled, soft limit. The same bits
from 16 on are set if it happened since boot, and stay set (raspberrypi/documentation)."""
PI_LIMIT_C = 80.0
"""Temperature above which a Raspberry Pi lowers its clock. Without `get_throttled` there is no
limit: other CPUs allow more, and sentinel and frequency detect the effect of heat."""
SPREAD = 0.10
"""Limit of (max - min) / median of the process medians, the same as of the sentinel."""

HEAT: tuple[Kind, ...] = ("throttled", "throttled_between", "hot", "thermal_status")
"""Kinds by which a device itself says that it is too warm or has too little power."""
LESS_IS_WORSE = ("frequency", "max_duration")
"""Kinds whose value is worse if smaller: the share of the highest frequency, the queries."""


class DisturbanceRow(Section):
    """One kind of disturbance of one model, over its counted blocks."""

    kind: Kind
    """Which limit was broken."""
    blocks: int
    """Number of counted blocks that broke it."""
    least: float
    """The value nearest to the limit."""
    worst: float
    """The value farthest from the limit."""
    limit: float | None
    """Limit, as in the blocks."""
    of: float | None
    """Reference of `worst`, as in its block."""


SENTENCES: dict[Kind, str] = {
    "max_duration": "the longest time was up after {value:.0f} queries, fewer than asked",
    "sentinel": "fixed work took {value:.2f}x its best time {side} (limit {limit:.2f}x)",
    "throttled": "throttled {side}: get_throttled is {bits:#x}",
    "throttled_between": "throttled in between: get_throttled went from {of_bits:#x} to {bits:#x}",
    "hot": "{value:.0f} °C {side}: the clock is lowered from {limit:.0f} °C on",
    "thermal_status": "thermal status {value:.0f} {side} (0 is none, 6 shuts down)",
    "frequency": "its cores ran at {mhz:.0f} MHz {side}, {value:.2f} of the {of_mhz:.0f} MHz "
    "measured (limit {limit})",
    "load": "load average {value:.1f} on {of:.0f} CPUs (limit {limit:.0f}; of the last minute, so "
    "perhaps of what ran before)",
    "switches": "its core was taken away {value:.0f} times a second (limit {limit:.0f})",
    "others_cpu": "others used {value:.2f} of a core (limit {limit})",
}


def sentinel_baseline(blocks: Sequence[Block]) -> int | None:
    """The fastest sentinel of all blocks; None if no block has one."""
    times = [env.sentinel_ns for block in blocks for env in _environments(block)]
    return min((ns for ns in times if ns is not None), default=None)


def judge(block: Block, *, sentinel_baseline_ns: int | None, cpus: int) -> list[Disturbance]:
    """The disturbances of the block; empty if it is valid.

    `cpus`: number of CPUs of the device. Values that the device does not report are not judged.
    """
    return [
        *_too_few(block),
        *_sentinel(block, sentinel_baseline_ns),
        *_throttled(block),
        *_hot(block),
        *_warm_phone(block),
        *_slowed(block),
        *_loaded(block, cpus),
        *_interrupted(block),
        *_disturbed(block, cpus),
    ]


def judged(block: Block, *, sentinel_baseline_ns: int | None, cpus: int) -> Block:
    """The block with its validity, and the reasons as numbers and as sentences."""
    found = judge(block, sentinel_baseline_ns=sentinel_baseline_ns, cpus=cpus)
    return block.model_copy(
        update={
            "valid": not found,
            "invalid_reasons": tuple(map(sentence, found)),
            "disturbances": tuple(found),
        }
    )


def sentence(found: Disturbance) -> str:
    """The disturbance in words."""
    of = found.of or 0
    return SENTENCES[found.kind].format(
        **found.model_dump(),
        bits=int(found.value),
        of_bits=int(of),
        mhz=found.value * of / 1e6,
        of_mhz=of / 1e6,
    )


def worth_repeating(block: Block) -> bool:
    """Whether the block is invalid for a reason that may be temporary.

    A model that is only too slow for the maximum duration stays too slow.
    """
    return list(block.disturbances) != list(_too_few(block))


def stability(blocks: Sequence[Block]) -> Literal["stable", "unstable"] | None:
    """Stability of a model's counted blocks; None if one has no samples.

    Unstable if a block is invalid, if the process medians differ by more than `SPREAD`, or if there
    is only one process.
    """
    medians = [median(block.samples_ns) for block in blocks if block.samples_ns]
    if len(medians) < len(blocks):
        return None
    is_close = max(medians) - min(medians) <= SPREAD * median(medians)
    is_stable = is_close and len(medians) > 1 and all(block.valid for block in blocks)
    return "stable" if is_stable else "unstable"


def by_kind(blocks: Sequence[Block]) -> tuple[DisturbanceRow, ...]:
    """The disturbances of a model's counted blocks, one row per kind."""
    kinds: dict[Kind, list[tuple[int, Disturbance]]] = {}
    for block in blocks:
        for found in block.disturbances:
            kinds.setdefault(found.kind, []).append((block.index, found))
    return tuple(_disturbance_row(kind, found) for kind, found in kinds.items())


def _disturbance_row(kind: Kind, disturbances: Sequence[tuple[int, Disturbance]]) -> DisturbanceRow:
    order = sorted((found for _, found in disturbances), key=lambda found: found.value)
    if kind in LESS_IS_WORSE:
        order.reverse()
    least, worst = order[0], order[-1]
    return DisturbanceRow(
        kind=kind,
        blocks=len({index for index, _ in disturbances}),
        least=least.value,
        worst=worst.value,
        limit=worst.limit,
        of=worst.of,
    )


def _environments(block: Block) -> list[Environment]:
    return [env for env in (block.env_before, block.env_after) if env is not None]


def _sides(block: Block) -> Iterator[tuple[Literal["before", "after"], Environment]]:
    if block.env_before is not None:
        yield "before", block.env_before
    if block.env_after is not None:
        yield "after", block.env_after


def _too_few(block: Block) -> Iterator[Disturbance]:
    if block.stop_reason == "max_duration":
        yield Disturbance(kind="max_duration", value=len(block.samples_ns or ()))


def _sentinel(block: Block, baseline_ns: int | None) -> Iterator[Disturbance]:
    for side, env in _sides(block):
        if baseline_ns and env.sentinel_ns and env.sentinel_ns > SENTINEL_RISE * baseline_ns:
            rise = env.sentinel_ns / baseline_ns
            yield Disturbance(kind="sentinel", value=rise, limit=SENTINEL_RISE, side=side)


def _throttled(block: Block) -> Iterator[Disturbance]:
    """Current bits before or after the block, and bits since boot that were set in between."""
    bits = {side: _bits(env) for side, env in _sides(block)}
    for side, value in bits.items():
        if value & THROTTLED_NOW:
            yield Disturbance(kind="throttled", value=value, side=side)
    new = bits.get("after", 0) & ~bits.get("before", 0) & (THROTTLED_NOW << 16)
    if "before" in bits and new and not bits["after"] & THROTTLED_NOW:
        yield Disturbance(kind="throttled_between", value=bits["after"], of=bits["before"])


def _bits(env: Environment) -> int:
    """Bits of `throttled=0x50000` or `0x50000`; 0 if the text holds no number."""
    number = re.search(r"0x[0-9a-fA-F]+", env.throttled_raw or "")
    return int(number[0], 16) if number else 0


def _hot(block: Block) -> Iterator[Disturbance]:
    for side, env in _sides(block):
        if env.throttled_raw and env.temp_c is not None and env.temp_c >= PI_LIMIT_C:
            yield Disturbance(kind="hot", value=env.temp_c, limit=PI_LIMIT_C, side=side)


def _warm_phone(block: Block) -> Iterator[Disturbance]:
    """Android's thermal status: from LIGHT on it lowers frequencies."""
    for side, env in _sides(block):
        if env.thermal_status:
            yield Disturbance(kind="thermal_status", value=env.thermal_status, limit=0, side=side)


def _slowed(block: Block) -> Iterator[Disturbance]:
    """Judged by the fastest core that the process may use: idle cores are slow anyway."""
    fastest = {side: hz for side, env in _sides(block) if (hz := _fastest(block, env))}
    highest = max(fastest.values(), default=0)
    for side, hz in fastest.items():
        if hz < FREQUENCY_SHARE * highest:
            yield Disturbance(
                kind="frequency", value=hz / highest, limit=FREQUENCY_SHARE, side=side, of=highest
            )


def _fastest(block: Block, env: Environment) -> int | None:
    every = dict(enumerate(env.freq_hz or ()))
    allowed = block.runtime.affinity_effective
    used = [every.get(cpu) for cpu in (every if allowed is None else allowed)]
    return max((hz for hz in used if hz is not None), default=None)


def _loaded(block: Block, cpus: int) -> Iterator[Disturbance]:
    load = max((env.loadavg1 or 0 for env in _environments(block)), default=0)
    if load > cpus + WAITING:
        yield Disturbance(kind="load", value=load, limit=cpus + WAITING, of=cpus)


def _interrupted(block: Block) -> Iterator[Disturbance]:
    if block.ctx_switches is None or not block.wall_ns:
        return
    per_s = block.ctx_switches.involuntary / (block.wall_ns / 1e9)
    limit = SWITCHES_PER_S * block.runtime.threads
    if per_s > limit:
        yield Disturbance(kind="switches", value=per_s, limit=limit)


def _disturbed(block: Block, cpus: int) -> Iterator[Disturbance]:
    if block.others_cpu is not None and block.others_cpu > OTHERS_CPU:
        yield Disturbance(kind="others_cpu", value=block.others_cpu, limit=OTHERS_CPU, of=cpus)
