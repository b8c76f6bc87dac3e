"""A report's tables on the terminal, and the words that the page uses too."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from targets.errors import InputError

SCHEMA = "report/1"

Row = dict[str, Any]

NOT_MEASURED = "-"
Column = Callable[[Row], str]


def models(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the report's models; without the columns that no model has values for."""
    rows, classes = report["models"], report["dataset"]["classes"]
    columns = _columns(classes)
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


def _columns(classes: Sequence[str]) -> dict[str, Column]:
    return {
        "model": lambda row: str(row["name"]),
        "size": lambda row: kilobytes(row["size_bytes"]),
        "params": lambda row: count(row["parameters"]),
        "top-1 %": lambda row: percent(row["top1"]),
        "95 % interval": lambda row: span(row["top1_ci"], percent),
        "agrees %": lambda row: percent(row["agreement_with_teacher"]),
        "flips %": lambda row: percent(row.get("negative_flip_rate")),
        "worst class": lambda row: worst_class(row.get("worst_class_change"), classes),
        "median": lambda row: microseconds(row["median_ns"]),
        "p90": lambda row: microseconds(row["p90_ns"]),
        "peak memory": lambda row: megabytes(row.get("peak_memory_bytes")),
        "speed-up": speed_up,
        "verdict": lambda row: row.get("speedup_verdict") or NOT_MEASURED,
    }


def disturbed(report: Row) -> list[str]:
    """The models whose latency was measured on a machine that did other things too, and which."""
    return [
        f"{row['name']}: {'; '.join(row['invalid_reasons'])}"
        for row in report["models"]
        if row.get("valid") is False
    ]


def speed_up(row: Row) -> str:
    """Over the teacher, whose runtime is named where it is another one."""
    other = row.get("teacher_runtime") not in (None, row["runtime"])
    versus = f" (teacher: {row['teacher_runtime']})" if other else ""
    return times(row["speedup_vs_teacher"]) + (versus if row["speedup_vs_teacher"] else "")


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
    print_rows(*models(report))
    for line in disturbed(report):
        print(f"disturbed while its latency was measured: {line}")


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
    # Wide enough for every column: a narrow terminal folds lines, which loses nothing.
    Console(highlight=False, markup=False, width=200).print(table)
