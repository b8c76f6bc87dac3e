"""`report.html`: one file that a person reads; the plot is inline SVG, nothing is fetched."""

import io
import re
from importlib import resources
from typing import Any

from pipeline import table

ROLES = {"teacher": "#8c564b", "student": "#1f77b4", "student_qat": "#2ca02c"}
MARKERS = {"tflite": "o", "onnx": "s"}


def render(report: dict[str, Any]) -> str:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "percent": table.percent,
        "us": table.microseconds,
        "times": table.times,
        "kb": table.kilobytes,
    }
    source = (resources.files("pipeline") / "page.html.j2").read_text(encoding="utf-8")
    measured = [row for row in report["models"] if row["median_ns"] is not None]
    return environment.from_string(source).render(
        report=report,
        measured=measured,
        headlines=[_headline(row, report["models"]) for row in measured if _is_deliverable(row)],
        plot=_plot(measured) if measured else None,
        header=table.HEADER,
        rows=[table.cells(row) for row in report["models"]],
    )


def _is_deliverable(row: dict[str, Any]) -> bool:
    return bool(row["precision"] == "int8")


def _headline(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    teacher = next(r for r in rows if r["role"] == "teacher" and r["format"] == row["format"])
    return {"row": row, "teacher": teacher, "smaller": teacher["size_bytes"] / row["size_bytes"]}


def _plot(rows: list[dict[str, Any]]) -> str:
    """Top-1 against median latency, each with its interval; the area of a mark is the file size."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    # Fixed ids and no date: the same numbers give the same picture.
    with mpl.rc_context({"svg.hashsalt": "edge-distill", "svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
        for row in rows:
            _mark(axes, row)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_xlabel("median latency, µs (one query, log scale)")
        axes.set_ylabel("top-1 on the test split, %")
        legend = figure.legend(loc="outside right upper", fontsize=8, frameon=False)
        for handle in legend.legend_handles:
            handle.set_sizes([40])  # the marks' own sizes would cover one another
        axes.grid(visible=True, which="both", alpha=0.2)
        axes.margins(x=0.2, y=0.15)
        axes.spines[["top", "right"]].set_visible(False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        plt.close(figure)
    svg = text.getvalue()
    return re.sub(r' width="[^"]*" height="[^"]*"', "", svg[svg.index("<svg") :], count=1)


def _mark(axes: Any, row: dict[str, Any]) -> None:
    x, y = row["median_ns"] / 1000, 100 * row["top1"]
    low, high = row["median_ci"] or (row["median_ns"], row["median_ns"])
    floor, ceiling = row["top1_ci"]
    colour = ROLES.get(row["role"], "#555555")
    axes.errorbar(
        x,
        y,
        xerr=[[x - low / 1000], [high / 1000 - x]],
        yerr=[[y - 100 * floor], [100 * ceiling - y]],
        color=colour,
        alpha=0.5,
        linewidth=1,
    )
    axes.scatter(
        x,
        y,
        s=30 + row["size_bytes"] / 5000,
        marker=MARKERS.get(row["format"], "D"),
        color=colour,
        alpha=0.75,
        edgecolors="none",
        label=f"{row['name']} ({table.kilobytes(row['size_bytes'])})",
    )
