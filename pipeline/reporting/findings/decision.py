"""The decision on each device: ship a recommended file, or nothing, and why.

Nothing is shipped where a gate failed, where no file is shown to be better than naming one class,
and where no latency of the recommended files is reliable. A gate without a device counts on each.
"""

from collections.abc import Iterator, Sequence

from pipeline.gates.figures import Figure, Measured, SkippedError
from pipeline.reporting.findings.recommendation import LEVEL, unreliable_because
from pipeline.reporting.formatting import (
    duration,
    kilobytes,
    megabytes,
    percent,
    points,
    span,
    times,
)
from pipeline.reporting.schema.decision import Decision
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.model_row import ModelRow, small_files
from pipeline.reporting.schema.report import Recommended, Report
from pipeline.reporting.tables.gates import failing, sentence, summary

MOST = 2
"""Failed gates that are named."""


def decisions(report: Report, found: Sequence[Measured]) -> tuple[Decision, ...]:
    """One for each device, also for one that could not be measured."""
    failed = report.environment.failed_devices
    unmeasured = {name: f"it was not measured: {why.rstrip('.')}" for name, why in failed.items()}
    made = [
        *(_decision(one, report, found) for one in report.recommended),
        *(_no(name, why, _gates_on(name, report)) for name, why in unmeasured.items()),
    ]
    why = "no file was measured (bench.enabled = false)"
    return tuple(made or [_no(None, why, report.gates)])


def _gates_on(device: str, report: Report) -> list[GateRow]:
    return [row for row in report.gates if row.device in (None, device)]


def _decision(one: Recommended, report: Report, found: Sequence[Measured]) -> Decision:
    gates = _gates_on(one.device, report)
    files = list(dict.fromkeys(name for name in (one.fastest, one.smallest) if name))
    rows = [other for other in found if other.row.device == one.device]
    measured = [other for name in files for other in rows if other.row.name == name]
    if failing(gates):
        return _no(one.device, None, gates)
    if not measured:
        return _no(one.device, one.reason, gates)
    if one.fastest is None:
        because = unreliable_because([other.row for other in measured])
        why = f"the latency of {files[0]} is not known, {because}: measure again"
        return _no(one.device, why, gates)
    chosen = measured[0]
    return Decision(
        device=one.device,
        ship=True,
        file=chosen.row.name,
        reason="; ".join([*_figures(chosen), *_left_out(chosen, rows), _gates(gates, chosen)]),
    )


def _no(device: str | None, why: str | None, gates: Sequence[GateRow]) -> Decision:
    reason = "; ".join(filter(None, [why, _gates(gates)]))
    return Decision(device=device, ship=False, file=None, reason=reason)


def _gates(gates: Sequence[GateRow], shipped: Measured | None = None) -> str:
    if missed := failing(gates):
        more = len(missed) - MOST
        named = "; ".join(sentence(row) for row in missed[:MOST])
        return named + (f"; and {more} more failed" if more > 0 else "")
    if not gates:
        return "no gates are set"
    others = shipped is not None and all(row.file != shipped.row.name for row in gates)
    return f"gates: {summary(gates)}" + ", none of them of this file" * others


def _figures(one: Measured) -> Iterator[str]:
    row = one.row
    yield f"{percent(row.top1)} % top-1{_teacher(one)}"
    speed = f"{duration(row.median_ns)} per query (95 % interval {span(row.median_ci, duration)})"
    yield speed + _speed_up(row)
    yield kilobytes(row.size_bytes) if row.size_bytes < 1e6 else megabytes(row.size_bytes)


def _teacher(one: Measured) -> str:
    """The difference from the teacher on the same samples; of a single one, its own interval."""
    try:
        drop = one.figure("drop_vs_teacher")
    except SkippedError:
        return f" (95 % interval {span(one.row.top1_ci, percent)})"
    return f", {_signed(drop)} against the teacher"


def _signed(drop: Figure) -> str:
    interval = span((-drop.high, -drop.low), points)
    return f"{points(-drop.value)} points (95 % interval {interval})"


def _speed_up(row: ModelRow) -> str:
    match row.speedup_verdict:
        case "faster" if row.speedup_vs_teacher is not None:
            return f", {times(row.speedup_vs_teacher)} as fast as the teacher"
        case "slower":
            return ", slower than the teacher"
    return ""


def _left_out(chosen: Measured, rows: Sequence[Measured]) -> Iterator[str]:
    """The small files that lose accuracy, where another precision is shipped in their place."""
    small = small_files([other.row for other in rows])
    if chosen.row in small:
        return
    for row in small:
        change = row.accuracy_change
        if change is not None and change.gain < 0 and change.p_value <= LEVEL:
            lost_points = points(-change.gain).removeprefix("+")
            yield f"{row.name} loses {lost_points} points against the float student"
