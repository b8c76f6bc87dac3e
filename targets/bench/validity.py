"""Whether the device was left alone while a block was measured, and whether the figures hold.

A disturbed block says how fast the disturbed device was. It is measured again or marked; its
samples stay in the file as they are.
"""

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Literal

from targets.bench.record import Block, Disturbance, Environment, Kind
from targets.bench.statistics import LatencySummary

SENTINEL_RISE = 1.10
"""Of a fixed piece of work over its baseline: the limit of Android's own benchmark library
(androidx.benchmark, thermal throttle check), which cools down and tries again above it."""
FREQUENCY_SHARE = 0.9
"""Of the highest frequency seen: below, the same work takes a tenth longer, as in the sentinel."""
OTHERS_CPU = 0.1
"""Of one core: `QUIET_CORES` of our benchmarks."""
WAITING = 1.0
"""Load above one process per CPU: a thread had to wait. The average is of the last minute, so that
it may speak of what ran before the block; `others_cpu` is of the block itself."""
SWITCHES_PER_S = 50.0
"""Involuntary, per thread. A core that is shared is taken away at every time slice, of a few ms
on Linux: 100 times a second and more. Kernel threads alone take it a few times a second."""
THROTTLED_NOW = 0xF
"""`get_throttled`, bits 0-3: under-voltage, frequency capped, throttled, soft limit. The same bits
from 16 on say that it happened since boot, and cannot be cleared (raspberrypi/documentation)."""
PI_LIMIT_C = 80.0
"""A Raspberry Pi lowers its clock from here on. No limit where `get_throttled` is absent: other
CPUs are built for more, and there the sentinel and the frequency say what heat does."""
SPREAD = 0.10
"""Of the process medians, (max - min) / median: what the sentinel is allowed too."""

SENTENCES: dict[Kind, str] = {
    "max_duration": "the longest time was up after {value:.0f} queries, fewer than asked",
    "sentinel": "fixed work took {value:.2f}x its best time {side} (limit {limit:.2f}x)",
    "throttled": "throttled {side}: get_throttled says {bits:#x}",
    "throttled_between": "throttled in between: get_throttled went from {of_bits:#x} to {bits:#x}",
    "hot": "{value:.0f} °C {side}: the clock is lowered from {limit:.0f} °C on",
    "thermal_status": "thermal status {value:.0f} {side} (0 is none, 6 shuts down)",
    "frequency": "its cores ran at {mhz:.0f} MHz {side}, {value:.2f} of the {of_mhz:.0f} MHz seen "
    "(limit {limit})",
    "load": "load average {value:.1f} on {of:.0f} CPUs (limit {limit:.0f}; of the last minute, so "
    "perhaps of what ran before)",
    "switches": "its core was taken away {value:.0f} times a second (limit {limit:.0f})",
    "others_cpu": "others used {value:.2f} of a core (limit {limit})",
}


def sentinel_baseline(blocks: Sequence[Block]) -> int | None:
    """The fastest that the sentinel was seen; null where no block has one."""
    seen = [env.sentinel_ns for block in blocks for env in _environments(block)]
    return min((ns for ns in seen if ns is not None), default=None)


def judge(block: Block, *, sentinel_baseline_ns: int | None, cpus: int) -> list[Disturbance]:
    """Why the block is not valid; empty where nothing speaks against it.

    `cpus`: how many the device has. A value that the device does not give is not judged.
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
    """The block with its verdict, and the reasons as numbers and as sentences."""
    found = judge(block, sentinel_baseline_ns=sentinel_baseline_ns, cpus=cpus)
    return block.model_copy(
        update={
            "valid": not found,
            "invalid_reasons": tuple(map(sentence, found)),
            "disturbances": tuple(found),
        }
    )


def sentence(found: Disturbance) -> str:
    """A disturbance for a person to read."""
    of = found.of or 0
    return SENTENCES[found.kind].format(
        **found.model_dump(),
        bits=int(found.value),
        of_bits=int(of),
        mhz=found.value * of / 1e6,
        of_mhz=of / 1e6,
    )


def worth_repeating(block: Block) -> bool:
    """Whether it is invalid for a reason that may be gone next time.

    Where the longest time is all that speaks against it, the model is too slow and stays so.
    """
    return list(block.disturbances) != list(_too_few(block))


def stability(summary: LatencySummary, blocks: Sequence[Block]) -> Literal["stable", "unstable"]:
    """Of the counted `blocks` that `summary` is of: unstable where one is not valid, where the
    processes differ by more than `SPREAD`, and where a single one can differ from none."""
    medians = [median(block.samples_ns) for block in blocks if block.samples_ns]
    near = max(medians) - min(medians) <= SPREAD * summary.median_ns
    shown = near and len(medians) > 1 and all(block.valid for block in blocks)
    return "stable" if shown else "unstable"


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
    """Bits of now on either side, and those since boot that came in between."""
    bits = {side: _bits(env) for side, env in _sides(block)}
    for side, seen in bits.items():
        if seen & THROTTLED_NOW:
            yield Disturbance(kind="throttled", value=seen, side=side)
    came = bits.get("after", 0) & ~bits.get("before", 0) & (THROTTLED_NOW << 16)
    if "before" in bits and came and not bits["after"] & THROTTLED_NOW:
        yield Disturbance(kind="throttled_between", value=bits["after"], of=bits["before"])


def _bits(env: Environment) -> int:
    """`throttled=0x50000` or `0x50000`; none where the program is absent or says no number."""
    number = re.search(r"0x[0-9a-fA-F]+", env.throttled_raw or "")
    return int(number[0], 16) if number else 0


def _hot(block: Block) -> Iterator[Disturbance]:
    for side, env in _sides(block):
        if env.throttled_raw and env.temp_c is not None and env.temp_c >= PI_LIMIT_C:
            yield Disturbance(kind="hot", value=env.temp_c, limit=PI_LIMIT_C, side=side)


def _warm_phone(block: Block) -> Iterator[Disturbance]:
    """Android's own word, from LIGHT on: it has begun to lower frequencies."""
    for side, env in _sides(block):
        if env.thermal_status:
            yield Disturbance(kind="thermal_status", value=env.thermal_status, limit=0, side=side)


def _slowed(block: Block) -> Iterator[Disturbance]:
    """By the fastest of the cores it may use: those that idle are slow for another reason."""
    seen = {side: hz for side, env in _sides(block) if (hz := _fastest(block, env))}
    highest = max(seen.values(), default=0)
    for side, hz in seen.items():
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
