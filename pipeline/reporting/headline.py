"""What the page says first of a file. A sentence on speed is only as strong as the verdict."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.reporting import table
from pipeline.reporting.disturbances import CUT_SHORT, relied_on
from targets.bench.statistics import LEAST_BLOCKS

Row = dict[str, Any]


def sentences(row: Row, rows: Sequence[Row]) -> list[str]:
    """Of a measured row of `report/1`, beside the teacher that its speed-up is over."""
    teacher = _teacher(row, rows)
    return [_itself(row), *_beside(row, teacher), _speed(row, teacher)]


def _teacher(row: Row, rows: Sequence[Row]) -> Row | None:
    """On the same device, in the runtime of the comparison."""
    teachers = [
        one for one in rows if one["role"] == "teacher" and one.get("device") == row.get("device")
    ]
    runtime = row.get("teacher_runtime") or row["runtime"]
    teachers.sort(key=lambda one: (one["runtime"] != runtime, one["format"] != row["format"]))
    return teachers[0] if teachers else None


def _itself(row: Row) -> str:
    accuracy = f"{table.percent(row['top1'])} % top-1"
    interval = f"95 % interval {table.span(row['top1_ci'], table.percent)}"
    return f"{accuracy} ({interval}), {table.kilobytes(row['size_bytes'])}{_time(row)}."


def _time(row: Row) -> str:
    """Nothing where the time cannot be relied on."""
    note = table.latency_note(row)
    if not relied_on(note):
        return ""
    about = "about " if note == "unstable" else ""
    return f", {about}{table.microseconds(row['median_ns'])} per query (median)"


def _beside(row: Row, teacher: Row | None) -> Iterator[str]:
    if teacher is None or teacher["median_ns"] is None:
        return
    where = "" if teacher["runtime"] == row["runtime"] else f" in {teacher['runtime']}"
    size = table.kilobytes(teacher["size_bytes"])
    yield f"The teacher{where}: {table.percent(teacher['top1'])} %, {size}{_time(teacher)}."
    yield f"The teacher's file is {teacher['size_bytes'] / row['size_bytes']:.1f} times as large."


def _speed(row: Row, teacher: Row | None) -> str:
    ratio, verdict = row["speedup_vs_teacher"], row.get("speedup_verdict")
    if verdict == "invalid":
        return _no_verdict(row, teacher)
    if verdict is None or ratio is None:
        missing = "The teacher was not measured" if ratio is None else "There is no verdict"
        return f"{missing}: there is no speed-up."
    if verdict == "no difference shown":
        return "The measurement shows no difference in speed from the teacher."
    return _faster(ratio, row["speedup_ci"]) if verdict == "faster" else _slower(row)


def _faster(ratio: float, interval: Sequence[float] | None) -> str:
    return f"This file is {ratio:.2f} times as fast as the teacher{_interval(interval)}."


def _slower(row: Row) -> str:
    """How much longer it takes: the inverse of the speed-up."""
    ends = row["speedup_ci"] and [1 / end for end in reversed(row["speedup_ci"])]
    times = f"{1 / row['speedup_vs_teacher']:.2f} times as long{_interval(ends)}"
    return f"This file is slower than the teacher: it takes {times}."


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f" (95 % interval {ends[0]:.2f} to {ends[1]:.2f})"


def _no_verdict(row: Row, teacher: Row | None) -> str:
    notes = {table.latency_note(one) for one in (row, teacher) if one is not None}
    blocks = row.get("blocks")
    if "emulated" in notes:
        reason = "The device is emulated and its times mean nothing"
    elif "disturbed" in notes:
        whose = "" if table.latency_note(row) == "disturbed" else " of the teacher"
        reason = f"The measurement of time{whose} was disturbed"
    elif CUT_SHORT in notes:
        reason = "The time limit came before the wanted number of queries"
    elif blocks is not None and blocks < LEAST_BLOCKS:
        reason = f"{blocks} processes were measured and a verdict takes {LEAST_BLOCKS}"
    else:
        reason = "The comparison with the teacher is not valid"
    return f"{reason}: there is no verdict on speed."
