"""A report's models as a table on the terminal, and the words that the page uses too."""

import json
from pathlib import Path
from typing import Any

from targets.errors import InputError

SCHEMA = "report/1"

Row = dict[str, Any]

NOT_MEASURED = "-"
HEADER = (
    "model", "size", "params", "top-1 %", "95 % interval", "agrees %", "median", "p90", "speed-up",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """One model's values as text, in the order of `HEADER`."""
    return (
        row["name"],
        kilobytes(row["size_bytes"]),
        f"{row['parameters']:,}",
        percent(row["top1"]),
        span(row["top1_ci"], percent),
        percent(row["agreement_with_teacher"]),
        microseconds(row["median_ns"]),
        microseconds(row["p90_ns"]),
        times(row["speedup_vs_teacher"]),
    )


def percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.2f}"


def microseconds(ns: float | None) -> str:
    return NOT_MEASURED if ns is None else f"{ns / 1000:,.1f} µs"


def times(ratio: float | None) -> str:
    return NOT_MEASURED if ratio is None else f"{ratio:.2f}x"


def kilobytes(size: int) -> str:
    return f"{size / 1000:,.1f} kB"


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
    report: dict[str, Any] = content
    return report


CONVERTED = ("file", "size", "agrees %", "max diff", "top-1 %", "int8", "float")


def print_converted(document: dict[str, Any]) -> None:
    """The files of a `convert/1`, to stdout."""
    _print(CONVERTED, [_converted(row) for row in document["files"]])


def _converted(row: Row) -> tuple[str, ...]:
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
    _print(HEADER, [cells(row) for row in report["models"]])


def _print(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Wide enough for every column: a narrow terminal folds lines, which loses nothing.
    Console(highlight=False, width=140).print(table)
