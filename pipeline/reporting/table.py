"""A report's tables on the terminal, and the words that the page uses too."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.reporting import disturbances
from targets.errors import InputError

SCHEMA = "report/1"

Row = dict[str, Any]

NOT_MEASURED = "-"
WIDEST = 2000
"""Characters of a printed row, whatever the terminal's width."""
Column = Callable[[Row], str]


def models(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the report's models; without the columns that no model has values for,
    and with the device where there are several."""
    rows = report["models"]
    columns = _columns(report["dataset"])
    if len({row.get("device") for row in rows}) < 2:
        del columns["device"]
    optional = {
        "flips %": "negative_flip_rate",
        "worst class": "worst_class_change",
        "peak memory": "peak_memory_bytes",
        "verdict": "speedup_verdict",
    }
    for name, key in optional.items():
        if all(row.get(key) is None for row in rows):
            del columns[name]
    return list(columns), [[cell(row) for cell in columns.values()] for row in rows]


def _columns(dataset: Row) -> dict[str, Column]:
    classes, share = dataset["classes"], dataset.get("majority_share")
    return {
        "device": lambda row: row.get("device") or NOT_MEASURED,
        "model": lambda row: str(row["name"]),
        "size": lambda row: kilobytes(row["size_bytes"]),
        "params": lambda row: count(row["parameters"]),
        "top-1 %": lambda row: percent(row["top1"]) + ("" if above(row, share) else " *"),
        "95 % interval": lambda row: span(row["top1_ci"], percent),
        "agrees %": lambda row: percent(row["agreement_with_teacher"]),
        "flips %": lambda row: percent(row.get("negative_flip_rate")),
        "worst class": lambda row: worst_class(row.get("worst_class_change"), classes),
        "median": median,
        "p90": lambda row: _marked(microseconds(row["p90_ns"]), row),
        "peak memory": lambda row: megabytes(row.get("peak_memory_bytes")),
        "speed-up": speed_up,
        "verdict": verdict,
    }


def latency_note(row: Row) -> str | None:
    """Why another measurement may give another latency: as `latency_note` of `report/1`."""
    return disturbances.note(row)


def median(row: Row) -> str:
    """Marked where another measurement may give another one."""
    note = latency_note(row)
    text = _marked(microseconds(row["median_ns"]), row)
    return f"{text} {note}" if note and row["median_ns"] is not None else text


def _marked(time: str, row: Row) -> str:
    return f"~{time}" if latency_note(row) and time != NOT_MEASURED else time


def speed_up(row: Row) -> str:
    """Over the teacher, whose runtime is named where it is another one. An invalid verdict has
    none, also in reports of before that was so."""
    ratio = row["speedup_vs_teacher"]
    if ratio is None or row.get("speedup_verdict") == "invalid":
        return NOT_MEASURED
    other = row.get("teacher_runtime") not in (None, row["runtime"])
    return times(ratio) + (f" (teacher: {row['teacher_runtime']})" if other else "")


def verdict(row: Row) -> str:
    if row["role"] == "teacher" and row.get("teacher_runtime") == row["runtime"]:
        return "baseline"
    return row.get("speedup_verdict") or NOT_MEASURED


def above(row: Row, majority_share: float | None) -> bool:
    """Whether its accuracy is shown to be above that of naming the most frequent class, or nothing
    is known of it."""
    known = majority_share is not None and row["top1_ci"] is not None
    return not known or row["top1_ci"][0] > majority_share


def majority(share: float) -> str:
    return f"naming the most frequent class, which gives {percent(share)} %"


def chance(report: Row) -> str | None:
    """What naming the most frequent class gives, and the files that are not shown to be better."""
    share = report["dataset"].get("majority_share")
    if share is None:
        return None
    said = f"Naming the most frequent class gives {percent(share)} %."
    if all(above(row, share) for row in report["models"]):
        return said
    return f"{said} * is not shown to be above it."


def recommended(report: Row) -> list[str]:
    """A line for each device; none in reports of before there was a recommendation."""
    return [
        f"recommended on {one['device']}: {one['reason']}" for one in report.get("recommended", ())
    ]


def worst_class(change: Sequence[Any] | None, classes: Sequence[str]) -> str:
    """Of (change of its accuracy, class index)."""
    return NOT_MEASURED if change is None else f"{points(change[0])} ({classes[change[1]]})"


def points(share: float) -> str:
    """A difference of shares as percentage points, with its sign; a plain 0.00 has none."""
    text = f"{100 * share:+.2f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.2f}"


def microseconds(ns: float | None) -> str:
    return NOT_MEASURED if ns is None else f"{ns / 1000:,.1f} µs"


def times(ratio: float | None) -> str:
    return NOT_MEASURED if ratio is None else f"{ratio:.2f}x"


def count(number: int | None) -> str:
    return NOT_MEASURED if number is None else f"{number:,}"


def three_digits(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3f}"


def kilobytes(size: int) -> str:
    return f"{size / 1000:,.1f} kB"


def megabytes(size: int | None) -> str:
    return NOT_MEASURED if size is None else f"{size / 1e6:,.1f} MB"


def span(ends: list[float] | None, show: Any) -> str:
    return NOT_MEASURED if ends is None else f"{show(ends[0])} to {show(ends[1])}"


def read_report(path: Path) -> dict[str, Any]:
    """The `report/1` in `path`, or an `InputError` that says what is there instead."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: no finished run there ({error.strerror}). `pipeline run` writes one."
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not a report: {error}.") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{path}: not a report of schema {SCHEMA}, but of {schema}.")
    missing = [key for key in ("models", "dataset", "recipe") if key not in content]
    if missing:
        raise InputError(f"{path}: not a report: '{missing[0]}' is not in it.")
    report: dict[str, Any] = content
    return report


CONVERTED = ("file", "size", "agrees %", "max diff", "top-1 %", "int8", "float")


def print_converted(document: dict[str, Any]) -> None:
    """The files of a `convert/2`, to stdout."""
    print_rows(CONVERTED, [_converted(row) for row in document["files"]])


def _converted(row: Row) -> tuple[str, ...]:
    if row["file"] is None:
        return row["name"], "refused", *[NOT_MEASURED] * (len(CONVERTED) - 2)
    return (
        row["name"],
        kilobytes(row["size_bytes"]),
        percent(row["agreement"]),
        f"{row['max_abs_diff']:.3g}",
        percent(row["top1"]),
        str(row["int8_ops"]),
        str(row["float_ops"]),
    )


def print_models(report: dict[str, Any]) -> None:
    """To stdout; without bars and colours where that is no terminal."""
    for line in recommended(report):
        print(line)
    print_rows(*models(report))
    limits = disturbances.lines(report, "report.html")
    for line in filter(None, [chance(report), *report.get("notes", ()), *limits]):
        print(line)


def print_ablation(report: dict[str, Any]) -> None:
    """The report's variants, then what each step showed; nothing without an ablation."""
    table = report.get("ablation")
    if table is None:
        return
    print_rows(*variants(table, report["dataset"]["classes"]))
    print()
    header = ["step", "gain in top-1, its 95 % interval, and what they show"]
    print_rows(header, [[step["adds"], step["words"]] for step in table["steps"]], left=2)


def variants(table: Row, classes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of an ablation's variants: means over seeds."""
    header = [
        "variant", "seeds", "top-1 %", "95 % interval", "agrees %", "KL", "ECE", "flips %",
        "worst class", "corrupted %",
    ]  # fmt: skip
    return header, [
        [
            row["is"],
            str(len(row["seeds"])),
            percent(row["top1"]),
            span(row["top1_interval"], percent),
            percent(row["agreement_with_teacher"]),
            three_digits(row["kl_to_teacher"]),
            three_digits(row["ece"]),
            percent(row["negative_flip_rate"]),
            worst_class(row["worst_class_change"], classes),
            percent(corrupted(row)),
        ]
        for row in table["variants"]
    ]


def corrupted(variant: Row) -> float | None:
    """Mean accuracy over all kinds and severities, or None."""
    seen = [accuracy for curve in variant["corrupted"].values() for accuracy in curve]
    return sum(seen) / len(seen) if seen else None


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Wide enough for every column: a terminal folds long lines, which loses nothing; rich cuts.
    Console(highlight=False, markup=False, width=WIDEST).print(table)
