"""Whether a run is worse than a baseline.

Two runs are paired by the test samples: McNemar's test, one-sided and exact. Their times are from
two sessions, in which the same file can take 10 % longer: so much is allowed, and Welch's test of
the logarithms of the processes' figures has to show more. Holm's correction keeps the probability
that any of these tests finds a loss of unchanged files.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from pipeline.gates.baseline import Baseline, FileBaseline, Right, file_baseline
from pipeline.gates.figures import Measured
from pipeline.reporting.schema.gate import VS_BASELINE, GateRow, Verdict
from pipeline.reporting.schema.model_row import Interval
from targets.bench.statistics import POWER
from targets.evaluation import significance
from targets.evaluation.significance import holm

LEVEL = 0.05
SIZE, MEMORY, TIME = 0.01, 0.1, 0.1
"""Growth that is allowed."""
LOSS, SLOWER = 0.02, 0.25
"""Loss of accuracy and growth of a time that a check must be able to exclude; else it decides
nothing."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of a file against the baseline's."""

    name: str
    before: float
    value: float
    at_least: bool
    p_value: float
    """Probability of such a loss of an unchanged file; of a fact 0 or 1."""
    change: float
    """Of a share the difference, of other figures the relative growth."""
    interval: Interval | None = None
    """95 % interval of the change."""
    excluded: bool = True
    """Whether the check excludes a loss that matters."""
    is_fact: bool = False
    error: float = 0.0
    """Standard error of the change: of a share, or of the logarithm of a time."""
    freedom: float = math.inf
    """Degrees of freedom of `error`."""
    samples: int = 0
    """Test samples of a share."""

    def detectable(self, comparisons: int) -> float:
        """The loss that about 3 of 4 checks of so many comparisons find: of a share, or relative
        to a time."""
        from scipy.stats import t

        errors = float(t.isf(LEVEL / comparisons, self.freedom) + t.ppf(POWER, self.freedom))
        if not self.samples:
            return (1 + TIME) * math.exp(errors * self.error) - 1
        # Samples that are lost vary too: the root of loss² = errors² (error² + loss / samples).
        own = errors**2 / self.samples
        return (own + math.sqrt(own**2 + 4 * (errors * self.error) ** 2)) / 2


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A figure that cannot be compared."""

    name: str
    verdict: Verdict
    reason: str


def compared(baseline: Baseline, found: Sequence[Measured]) -> list[GateRow]:
    """A row per figure of each file and device of the baseline."""
    by_place = {(one.row.device or "", one.row.name): one for one in found}
    changes: list[tuple[str, str, Change | Unknown]] = []
    for device, files in baseline.devices.items():
        for file, before in files.items():
            one = by_place.get((device, file))
            several = [ABSENT] if one is None else _changes(before, file_baseline(one))
            changes += [(device, file, change) for change in several]
    return list(_decided(changes))


ABSENT = Unknown(name="top1", verdict="skipped", reason="the run has no such file on this device")


def _changes(before: FileBaseline, after: FileBaseline) -> Iterator[Change | Unknown]:
    if not after.samples or not before.samples:
        reason = "one of both was not run on a test split"
        yield Unknown(name="top1", verdict="skipped", reason=reason)
    elif before.samples_sha256 != after.samples_sha256:
        reason = "the baseline has other test samples: update it"
        yield Unknown(name="top1", verdict="undecided", reason=reason)
    else:
        yield accuracy_change(before.right_samples(), after.right_samples())
    yield from _times(before, after)
    yield _grown("size_kb", before.size_bytes / 1e3, after.size_bytes / 1e3, SIZE)
    yield _memory(before, after)


def _memory(before: FileBaseline, after: FileBaseline) -> Change | Unknown:
    if not (before.peak_memory_bytes and after.peak_memory_bytes):
        reason = "one of both was not measured"
        return Unknown(name="peak_memory_mb", verdict="skipped", reason=reason)
    if before.conditions != after.conditions:  # most of it is the runtime
        return Unknown(name="peak_memory_mb", verdict="undecided", reason=_elsewhere(before))
    old, new = before.peak_memory_bytes / 1e6, after.peak_memory_bytes / 1e6
    return _grown("peak_memory_mb", old, new, MEMORY)


def _elsewhere(before: FileBaseline) -> str:
    return f"the baseline was measured elsewhere: {before.conditions}"


def _times(before: FileBaseline, after: FileBaseline) -> Iterator[Change | Unknown]:
    pairs = {
        "median_ms": (before.medians_ns, after.medians_ns),
        "p90_ms": (before.p90s_ns, after.p90s_ns),
    }
    missing = after.no_times or before.no_times
    for name, (old, new) in pairs.items():
        if missing is not None or min(len(old), len(new)) < 2:
            measured = after.conditions is not None and before.conditions is not None
            verdict: Verdict = "undecided" if measured else "skipped"
            yield Unknown(name=name, verdict=verdict, reason=missing or "too few processes")
        elif before.conditions != after.conditions:
            yield Unknown(name=name, verdict="undecided", reason=_elsewhere(before))
        else:
            yield time_change(name, old, new)


def _grown(name: str, before: float, after: float, allowed: float) -> Change:
    worse = after > before * (1 + allowed)
    return Change(
        name=name, before=before, value=after, at_least=False, p_value=float(not worse),
        change=after / before - 1, is_fact=True,
    )  # fmt: skip


def accuracy_change(before: Right, after: Right) -> Change:
    from scipy.stats import binom

    b, c, samples = int(np.sum(before & ~after)), int(np.sum(~before & after)), len(before)
    # Both ends at 90 % are each one side at 95 %.
    low, _ = significance.paired_interval(b=b, c=c, samples=samples, level=1 - 2 * LEVEL)
    return Change(
        name="top1",
        before=float(before.mean()),
        value=float(after.mean()),
        at_least=True,
        p_value=float(binom.sf(b - 1, b + c, 0.5)) if b + c else 1.0,
        change=(c - b) / samples,
        interval=significance.paired_interval(b=b, c=c, samples=samples),
        excluded=-low <= LOSS,
        error=math.sqrt(b + c) / samples,
        samples=samples,
    )


def time_change(name: str, before: Sequence[float], after: Sequence[float]) -> Change:
    """`before` and `after` in ns, by process."""
    from scipy.stats import t

    logs = significance.welch(np.log(before).tolist(), np.log(after).tolist())
    more = logs.mean - math.log1p(TIME)
    reach, both = (float(t.isf(level, logs.freedom)) * logs.error for level in (LEVEL, LEVEL / 2))
    return Change(
        name=name,
        before=median(before) / 1e6,
        value=median(after) / 1e6,
        at_least=False,
        p_value=float(t.sf(more / logs.error, logs.freedom)),
        change=math.expm1(logs.mean),
        interval=(math.expm1(logs.mean - both), math.expm1(logs.mean + both)),
        excluded=math.exp(logs.mean + reach) <= 1 + SLOWER,
        error=logs.error,
        freedom=logs.freedom,
    )


def _decided(changes: Sequence[tuple[str, str, Change | Unknown]]) -> Iterator[GateRow]:
    tested = [c for *_, c in changes if isinstance(c, Change) and not c.is_fact]
    shown = iter(holm([change.p_value for change in tested], level=LEVEL))
    for device, file, change in changes:
        place = GateRow(
            name=change.name + VS_BASELINE, file=file, device=device or None, verdict="skipped"
        )
        if isinstance(change, Unknown):
            row: dict[str, object] = {"verdict": change.verdict, "reason": change.reason}
        else:
            lost = change.p_value == 0 if change.is_fact else next(shown)
            row = {
                "limit": change.before,
                "at_least": change.at_least,
                "value": change.value,
                "change": change.change,
                "change_interval": change.interval,
                "verdict": "failed" if lost else "passed" if change.excluded else "undecided",
                "reason": None if change.is_fact else _seen(change, len(tested)),
            }
        yield place.model_copy(update=row)


def _seen(change: Change, comparisons: int) -> str:
    size = 100 * change.detectable(comparisons)
    if change.samples:
        return f"a loss of {size:.2f} points is found in about 3 of 4 checks"
    return f"{size:.1f} % more is found in about 3 of 4 checks, between sessions that are alike"
