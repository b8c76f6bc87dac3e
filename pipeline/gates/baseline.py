"""`baseline/1`: what a run was measured to be, and whether another is shown to be worse.

Two runs are paired by the test samples: McNemar's test, one-sided and exact. Their times are from
two sessions and cannot be paired: Welch's test of the logarithms of the processes' figures. Both
find a loss by chance in 5 % of such comparisons; Holm's correction keeps that for all together.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from pipeline.gates.figures import (
    Measured,
    SkippedError,
    UnreliableError,
    block_median,
    block_p90,
)
from pipeline.reporting.schema.gate import GateRow, Verdict
from pipeline.reporting.schema.model_row import Part
from targets.bench.statistics import LEAST_BLOCKS, POWER
from targets.errors import InputError
from targets.evaluation import significance
from targets.published import published

SCHEMA: Final = "baseline/1"
LEVEL = 0.05
"""Probability that a check of an unchanged model finds any loss."""
SIZE, MEMORY = 0.01, 0.05
"""Growth that does not count: of the file, and of the peak memory, which is measured once."""

Right = npt.NDArray[np.bool_]


class FileBaseline(Part):
    """One file on one device."""

    samples_sha256: str | None = None
    samples: int = 0
    right: str = ""
    """Which test samples it has right: bits in base64, the first sample the highest bit."""
    medians_ns: tuple[float, ...] = ()
    """Of each process; empty where the measurement was not reliable."""
    p90s_ns: tuple[float, ...] = ()
    size_bytes: int
    peak_memory_bytes: int | None = None

    def right_samples(self) -> Right:
        bits = np.frombuffer(base64.b64decode(self.right), np.uint8)
        return np.unpackbits(bits)[: self.samples].astype(np.bool_)


class Baseline(Part):
    schema_: Literal["baseline/1"] = Field(default=SCHEMA, alias="schema")
    run: str
    """Name of the recipe."""
    devices: dict[str, dict[str, FileBaseline]]
    """Device -> file -> figures."""


def of(found: Sequence[Measured]) -> Baseline:
    devices: dict[str, dict[str, FileBaseline]] = {}
    for one in found:
        devices.setdefault(one.row.device or "", {})[one.row.name] = _file(one)
    return Baseline(run=str(found[0].report.recipe["name"]), devices=devices)


def _file(one: Measured) -> FileBaseline:
    times = _times(one)
    known = one.predictions is not None and one.row.name in one.predictions.models
    paired = one.paired() if known else None
    return FileBaseline(
        samples_sha256=paired and paired.samples_sha256,
        samples=len(paired.labels) if paired else 0,
        right=base64.b64encode(np.packbits(one.right()).tobytes()).decode() if paired else "",
        medians_ns=times[0],
        p90s_ns=times[1],
        size_bytes=one.row.size_bytes,
        peak_memory_bytes=one.row.peak_memory_bytes,
    )


def _times(one: Measured) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        blocks = one.blocks()
    except (SkippedError, UnreliableError):
        return (), ()
    return tuple(map(block_median, blocks)), tuple(map(block_p90, blocks))


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of a file against the baseline's."""

    name: str
    before: float
    value: float
    at_least: bool
    p_value: float | None = None
    """Probability of such a loss of an unchanged file; None for a fact."""
    error: float = 0.0
    """Standard error of the change: of a share, or of the logarithm of a time."""
    freedom: float = math.inf
    """Degrees of freedom of `error`."""
    samples: int = 0
    """Test samples of a share."""
    worse: bool = False
    """Of a fact."""

    def detectable(self, comparisons: int) -> float:
        """The loss that a check of so many comparisons finds with a probability of 80 %: of a
        share, or relative to a time."""
        from scipy.stats import t

        errors = float(t.isf(LEVEL / comparisons, self.freedom) + t.ppf(POWER, self.freedom))
        if not self.samples:
            return math.expm1(errors * self.error)
        # Samples that are lost vary too: the root of loss² = errors² (error² + loss / samples).
        own = errors**2 / self.samples
        return (own + math.sqrt(own**2 + 4 * (errors * self.error) ** 2)) / 2


def compared(baseline: Baseline, found: Sequence[Measured]) -> list[GateRow]:
    """A row per figure, file and device; files that only one of both has are skipped."""
    rows: list[GateRow] = []
    changes: list[tuple[Measured, Change]] = []
    for one in found:
        before = baseline.devices.get(one.row.device or "", {}).get(one.row.name)
        if before is None:
            rows.append(_row(one, "top1", "skipped", "the baseline has no such file there"))
            continue
        for change in _changes(before, _file(one)):
            if isinstance(change, Change):
                changes.append((one, change))
            else:
                rows.append(_row(one, *change))
    rows += [*_missing(baseline, found)]
    return [*_decided(changes), *rows]


Unknown = tuple[str, Verdict, str]
"""A figure, its verdict and the reason."""


def _changes(before: FileBaseline, after: FileBaseline) -> Iterator[Change | Unknown]:
    if not after.samples or not before.samples:
        yield "top1", "skipped", "one of both was not run on a test split"
    elif before.samples_sha256 != after.samples_sha256:
        yield "top1", "undecided", "the baseline has other test samples: update it"
    else:
        yield accuracy_change(before.right_samples(), after.right_samples())
    for name, old, new in (
        ("median_ms", before.medians_ns, after.medians_ns),
        ("p90_ms", before.p90s_ns, after.p90s_ns),
    ):
        if min(len(old), len(new)) >= LEAST_BLOCKS:
            yield time_change(name, old, new)
        else:
            yield name, "undecided", "the latency of one of both is not reliable"
    yield _grown("size_kb", before.size_bytes / 1e3, after.size_bytes / 1e3, SIZE)
    if before.peak_memory_bytes and after.peak_memory_bytes:
        old_peak, new_peak = before.peak_memory_bytes / 1e6, after.peak_memory_bytes / 1e6
        yield _grown("peak_memory_mb", old_peak, new_peak, MEMORY)


def _grown(name: str, before: float, after: float, allowed: float) -> Change:
    worse = after > before * (1 + allowed)
    return Change(name=name, before=before, value=after, at_least=False, worse=worse)


def accuracy_change(before: Right, after: Right) -> Change:
    from scipy.stats import binom

    b, c = int(np.sum(before & ~after)), int(np.sum(~before & after))
    return Change(
        name="top1",
        before=float(before.mean()),
        value=float(after.mean()),
        at_least=True,
        p_value=float(binom.sf(b - 1, b + c, 0.5)) if b + c else 1.0,
        error=math.sqrt(b + c) / len(before),
        samples=len(before),
    )


def time_change(name: str, before: Sequence[float], after: Sequence[float]) -> Change:
    """`before` and `after` in ns, by process."""
    from scipy.stats import t

    logs = significance.welch(np.log(before).tolist(), np.log(after).tolist())
    return Change(
        name=name,
        before=median(before) / 1e6,
        value=median(after) / 1e6,
        at_least=False,
        p_value=float(t.sf(logs.mean / logs.error, logs.freedom)),
        error=logs.error,
        freedom=logs.freedom,
    )


def _decided(changes: Sequence[tuple[Measured, Change]]) -> Iterator[GateRow]:
    lost = holm([change.p_value for _, change in changes if change.p_value is not None])
    found = iter(lost)
    for one, change in changes:
        worse = change.worse if change.p_value is None else next(found)
        yield GateRow(
            name=f"{change.name} vs baseline",
            file=one.row.name,
            device=one.row.device,
            limit=change.before,
            at_least=change.at_least,
            value=change.value,
            interval=None,
            verdict="failed" if worse else "passed",
            reason=None if change.p_value is None else _seen(change, len(lost)),
        )


def holm(p_values: Sequence[float]) -> list[bool]:
    """Which of the hypotheses are rejected: Holm 1979, Scandinavian Journal of Statistics 6(2)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    rejected = [False] * len(p_values)
    for rank, place in enumerate(order):
        if p_values[place] > LEVEL / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def _seen(change: Change, comparisons: int) -> str:
    size = 100 * change.detectable(comparisons)
    if change.samples:
        return f"a loss of {size:.2f} points is found in 80 % of checks"
    return f"{size:.1f} % more is found in 80 % of checks"


def _row(one: Measured, name: str, verdict: Verdict, reason: str) -> GateRow:
    return GateRow(
        name=f"{name} vs baseline", file=one.row.name, device=one.row.device, limit=None,
        at_least=True, value=None, interval=None, verdict=verdict, reason=reason,
    )  # fmt: skip


def _missing(baseline: Baseline, found: Sequence[Measured]) -> Iterator[GateRow]:
    known = {(one.row.device or "", one.row.name) for one in found}
    for device, files in baseline.devices.items():
        for name in files:
            if (device, name) not in known:
                yield GateRow(
                    name="top1 vs baseline", file=name, device=device or None, limit=None,
                    at_least=True, value=None, interval=None, verdict="skipped",
                    reason="the run has no such file on this device",
                )  # fmt: skip


def read(path: Path) -> Baseline:
    """Raises `InputError` for a file that is missing, damaged or of another schema."""
    try:
        return Baseline.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"--baseline {path}: cannot be read: {error.strerror}. Write it with "
            "`pipeline check RUN --baseline FILE --update-baseline`."
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"--baseline {path}: not a baseline of schema {SCHEMA}: {place}: {first['msg']}. Write "
            "it again with --update-baseline."
        ) from error


def write(baseline: Baseline, path: Path) -> None:
    with published(path, remedy="Give another file with --baseline.") as part:
        part.write_text(baseline.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
