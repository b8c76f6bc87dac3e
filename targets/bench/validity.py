"""Whether the device was left alone while a block was measured, and whether the figures hold.

A disturbed block says how fast the disturbed device was. It is measured again or marked; its
samples stay in the file as they are.
"""

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Literal

from targets.bench.record import Block, Environment
from targets.bench.stats import LatencySummary

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


def sentinel_baseline(blocks: Sequence[Block]) -> int | None:
    """The fastest that the sentinel was seen; null where no block has one."""
    seen = [env.sentinel_ns for block in blocks for env in _environments(block)]
    return min((ns for ns in seen if ns is not None), default=None)


def judge(block: Block, *, sentinel_baseline_ns: int | None, cpus: int) -> list[str]:
    """Why the block is not valid, a sentence each; empty where nothing speaks against it.

    `cpus`: how many the device has. What the device does not tell is not judged.
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
        *_disturbed(block),
    ]


def worth_repeating(block: Block) -> bool:
    """Whether it is invalid for a reason that may be gone next time.

    Where the longest time is all that speaks against it, the model is too slow and stays so.
    """
    return list(block.invalid_reasons) != list(_too_few(block))


def stability(summary: LatencySummary, blocks: Sequence[Block]) -> Literal["stable", "unstable"]:
    """Of the counted `blocks` that `summary` is of: unstable where one is not valid, where the
    processes differ by more than `SPREAD`, and where a single one can differ from none."""
    medians = [median(block.samples_ns) for block in blocks if block.samples_ns]
    near = max(medians) - min(medians) <= SPREAD * summary.median_ns
    shown = near and len(medians) > 1 and all(block.valid for block in blocks)
    return "stable" if shown else "unstable"


def _environments(block: Block) -> list[Environment]:
    return [env for env in (block.env_before, block.env_after) if env is not None]


def _sides(block: Block) -> Iterator[tuple[str, Environment]]:
    for side, env in (("before", block.env_before), ("after", block.env_after)):
        if env is not None:
            yield side, env


def _too_few(block: Block) -> Iterator[str]:
    if block.stop_reason == "max_duration":
        count = len(block.samples_ns) if block.samples_ns is not None else 0
        yield f"the longest time was up after {count} queries, fewer than asked"


def _sentinel(block: Block, baseline_ns: int | None) -> Iterator[str]:
    for side, env in _sides(block):
        if baseline_ns and env.sentinel_ns and env.sentinel_ns > SENTINEL_RISE * baseline_ns:
            rise = env.sentinel_ns / baseline_ns
            yield f"fixed work took {rise:.2f}x its best time {side} (limit {SENTINEL_RISE:.2f}x)"


def _throttled(block: Block) -> Iterator[str]:
    """Bits of now on either side, and those since boot that came in between."""
    bits = {side: _bits(env) for side, env in _sides(block)}
    for side, seen in bits.items():
        if seen & THROTTLED_NOW:
            yield f"throttled {side}: get_throttled says {seen:#x}"
    came = bits.get("after", 0) & ~bits.get("before", 0) & (THROTTLED_NOW << 16)
    if "before" in bits and came and not bits["after"] & THROTTLED_NOW:
        change = f"{bits['before']:#x} to {bits['after']:#x}"
        yield f"throttled in between: get_throttled went from {change}"


def _bits(env: Environment) -> int:
    """`throttled=0x50000` or `0x50000`; none where the program is absent or says no number."""
    number = re.search(r"0x[0-9a-fA-F]+", env.throttled_raw or "")
    return int(number[0], 16) if number else 0


def _hot(block: Block) -> Iterator[str]:
    for side, env in _sides(block):
        if env.throttled_raw and env.temp_c is not None and env.temp_c >= PI_LIMIT_C:
            yield f"{env.temp_c:.0f} °C {side}: the clock is lowered from {PI_LIMIT_C:.0f} °C on"


def _warm_phone(block: Block) -> Iterator[str]:
    """Android's own word, from LIGHT on: it has begun to lower frequencies."""
    for side, env in _sides(block):
        if env.thermal_status:
            yield f"thermal status {env.thermal_status} {side} (0 is none, 6 shuts down)"


def _slowed(block: Block) -> Iterator[str]:
    """By the fastest of the cores it may use: those that idle are slow for another reason."""
    seen = {side: hz for side, env in _sides(block) if (hz := _fastest(block, env))}
    for side, hz in seen.items():
        if hz < FREQUENCY_SHARE * (highest := max(seen.values())):
            yield (
                f"its cores ran at {hz / 1e6:.0f} MHz {side}, "
                f"{hz / highest:.2f} of the {highest / 1e6:.0f} MHz seen (limit {FREQUENCY_SHARE})"
            )


def _fastest(block: Block, env: Environment) -> int | None:
    every = dict(enumerate(env.freq_hz or ()))
    allowed = block.runtime.affinity_effective
    used = [every.get(cpu) for cpu in (every if allowed is None else allowed)]
    return max((hz for hz in used if hz is not None), default=None)


def _loaded(block: Block, cpus: int) -> Iterator[str]:
    load = max((env.loadavg1 or 0 for env in _environments(block)), default=0)
    if load > cpus + WAITING:
        yield (
            f"load average {load:.1f} on {cpus} CPUs (limit {cpus + WAITING:.0f}; "
            "of the last minute, so perhaps of what ran before)"
        )


def _interrupted(block: Block) -> Iterator[str]:
    if block.ctx_switches is None or not block.wall_ns:
        return
    per_s = block.ctx_switches.involuntary / (block.wall_ns / 1e9)
    limit = SWITCHES_PER_S * block.runtime.threads
    if per_s > limit:
        yield f"its core was taken away {per_s:.0f} times a second (limit {limit:.0f})"


def _disturbed(block: Block) -> Iterator[str]:
    if block.others_cpu is not None and block.others_cpu > OTHERS_CPU:
        yield f"others used {block.others_cpu:.2f} of a core (limit {OTHERS_CPU})"
