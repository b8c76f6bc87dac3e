"""The models of a report as a table, and a report on the terminal."""

from pipeline.reporting.findings import disturbances, streaming
from pipeline.reporting.findings.chance import above, chance
from pipeline.reporting.findings.data import uneven
from pipeline.reporting.formatting import (
    NOT_MEASURED,
    approximate,
    count,
    kilobytes,
    megabytes,
    microseconds,
    percent,
    span,
    times,
    worst_class,
)
from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import DatasetUsed, Report
from pipeline.reporting.tables.ablation import print_ablation
from pipeline.reporting.tables.cells import Cells, Table, print_rows, tabulate
from pipeline.reporting.tables.gates import gates, summary

OPTIONAL = ("balanced %", "macro F1 %", "flips %", "worst class", "peak memory", "verdict")


def models(report: Report) -> Table:
    """Return the table of the models; the device is a column where there are several."""
    several = len({row.device for row in report.models}) > 1
    balanced = uneven(report.dataset)
    rows = [
        ({"device": row.device or NOT_MEASURED} if several else {})
        | _cells(row, report.dataset, balanced)
        for row in report.models
    ]
    return tabulate(rows, optional=OPTIONAL)


def _cells(row: ModelRow, dataset: DatasetUsed, balanced: bool) -> Cells:
    return {
        "model": row.name,
        "size": kilobytes(row.size_bytes),
        "params": count(row.parameters),
        "top-1 %": percent(row.top1) + ("" if above(row, dataset.majority_share) else " *"),
        "95 % interval": span(row.top1_ci, percent),
        "balanced %": percent(row.balanced_accuracy if balanced else None),
        "macro F1 %": percent(row.macro_f1 if balanced else None),
        "agrees %": percent(row.agreement_with_teacher),
        "flips %": percent(row.negative_flip_rate),
        "worst class": worst_class(row.worst_class_change, dataset.classes),
        "median": _median(row),
        "p90": approximate(microseconds(row.p90_ns), row.note),
        "peak memory": megabytes(row.peak_memory_bytes),
        "speed-up": _speed_up(row),
        "verdict": _verdict(row),
    }


def _median(row: ModelRow) -> str:
    """Format the median, marked where another measurement may give another one."""
    text = approximate(microseconds(row.median_ns), row.note)
    return f"{text} {row.note}" if row.note and row.median_ns is not None else text


def _speed_up(row: ModelRow) -> str:
    """Format the speed-up over the teacher, whose runtime is named where it is another one. An
    invalid verdict has none; earlier reports had a ratio beside it."""
    if row.speedup_vs_teacher is None or row.speedup_verdict == "invalid":
        return NOT_MEASURED
    other = row.teacher_runtime not in (None, row.runtime)
    return times(row.speedup_vs_teacher) + (f" (teacher: {row.teacher_runtime})" if other else "")


def _verdict(row: ModelRow) -> str:
    if row.is_teacher and row.teacher_runtime == row.runtime:
        return "baseline"
    return row.speedup_verdict or NOT_MEASURED


def print_report(report: Report) -> None:
    """What the command line shows of a report, to stdout."""
    for decision in report.decision:
        print(f"{decision.verdict}: {decision.reason}")
    for one in report.recommended:
        print(f"recommended on {one.device}: {one.reason}")
    print_rows(*models(report))
    limits = disturbances.lines(report, "report.html")
    heard = [streaming.headline(report.streaming)] if report.streaming else []
    for line in filter(None, [chance(report), *report.notes, *heard, *limits]):
        print(line)
    if report.gates:
        print_rows(*gates(report.gates), left=2)
        print(f"gates: {summary(report.gates)}")
    if report.ablation is not None:
        print_ablation(report.ablation, report.dataset)
