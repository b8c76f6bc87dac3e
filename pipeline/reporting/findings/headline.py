"""The first sentences of the page about a file. One on speed is only as strong as the verdict."""

from collections.abc import Iterator, Sequence

from pipeline.reporting.formatting import kilobytes, microseconds, percent, span
from pipeline.reporting.schema.model_row import Interval, ModelRow
from targets.bench.statistics import LEAST_BLOCKS


def sentences(row: ModelRow, rows: Sequence[ModelRow]) -> list[str]:
    """Return the sentences about a measured row; `rows` hold the teacher it is compared with."""
    teacher = _teacher(row, rows)
    return [_itself(row), *_beside(row, teacher), _speed(row, teacher)]


def _teacher(row: ModelRow, rows: Sequence[ModelRow]) -> ModelRow | None:
    """Return the teacher's row on the same device, if possible in the runtime of the comparison."""
    runtime = row.teacher_runtime or row.runtime
    return min(
        (one for one in rows if one.is_teacher and one.device == row.device),
        key=lambda one: (one.runtime != runtime, one.format != row.format),
        default=None,
    )


def _itself(row: ModelRow) -> str:
    interval = f"95 % interval {span(row.top1_ci, percent)}"
    size = kilobytes(row.size_bytes)
    return f"{percent(row.top1)} % top-1 ({interval}), {size}{_time(row)}."


def _time(row: ModelRow) -> str:
    """Return the time as a clause; empty where it is not reliable."""
    if not row.is_reliable:
        return ""
    about = "about " if row.note == "unstable" else ""
    return f", {about}{microseconds(row.median_ns)} per query (median)"


def _beside(row: ModelRow, teacher: ModelRow | None) -> Iterator[str]:
    if teacher is None or teacher.median_ns is None:
        return
    where = "" if teacher.runtime == row.runtime else f" in {teacher.runtime}"
    size = kilobytes(teacher.size_bytes)
    yield f"The teacher{where}: {percent(teacher.top1)} %, {size}{_time(teacher)}."
    yield f"The teacher's file is {teacher.size_bytes / row.size_bytes:.1f} times as large."


def _speed(row: ModelRow, teacher: ModelRow | None) -> str:
    ratio, verdict = row.speedup_vs_teacher, row.speedup_verdict
    if verdict == "invalid":
        return _no_verdict(row, teacher)
    if ratio is None:
        return "The teacher was not measured: there is no speed-up."
    if verdict is None:
        return "There is no verdict: there is no speed-up."
    if verdict == "no difference shown":
        return "The measurement shows no difference in speed from the teacher."
    return _faster(ratio, row.speedup_ci) if verdict == "faster" else _slower(ratio, row.speedup_ci)


def _faster(ratio: float, interval: Interval | None) -> str:
    return f"This file is {ratio:.2f} times as fast as the teacher{_interval(interval)}."


def _slower(ratio: float, interval: Interval | None) -> str:
    """How much longer it takes: the inverse of the speed-up."""
    ends = None if interval is None else (1 / interval[1], 1 / interval[0])
    times = f"{1 / ratio:.2f} times as long{_interval(ends)}"
    return f"This file is slower than the teacher: it takes {times}."


def _interval(ends: Interval | None) -> str:
    return "" if ends is None else f" (95 % interval {ends[0]:.2f} to {ends[1]:.2f})"


def _no_verdict(row: ModelRow, teacher: ModelRow | None) -> str:
    notes = {one.note for one in (row, teacher) if one is not None}
    if "emulated" in notes:
        reason = "The device is emulated and its times mean nothing"
    elif "disturbed" in notes:
        whose = "" if row.note == "disturbed" else " of the teacher"
        reason = f"The measurement of time{whose} was disturbed"
    elif "cut short" in notes:
        reason = "The time limit ended the measurement before the requested number of queries"
    elif row.blocks is not None and row.blocks < LEAST_BLOCKS:
        reason = f"{row.blocks} processes were measured and a verdict takes {LEAST_BLOCKS}"
    else:
        reason = "The comparison with the teacher is not valid"
    return f"{reason}: there is no verdict on speed."
